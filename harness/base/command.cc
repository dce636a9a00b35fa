#include "harness/base/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "harness/base/fd.h"

extern char** environ;

namespace ktrial {
namespace {
using Clock = std::chrono::steady_clock;

struct Pipe {
  Fd read;
  Fd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

std::vector<std::string> child_environment(const CommandOptions& options) {
  std::vector<std::pair<std::string, std::string>> set = options.environment;
  set.emplace_back("LC_ALL", "C");
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string text = *entry;
    std::string name = text.substr(0, text.find('='));
    if (std::ranges::none_of(set, [&](const auto& item) { return item.first == name; }))
      result.push_back(std::move(text));
  }
  for (const auto& [name, value] : set) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

Result<pid_t> spawn(const std::vector<std::string>& argv, const CommandOptions& options, int out,
                    int err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  if (!options.directory.empty())
    posix_spawn_file_actions_addchdir_np(&actions, options.directory.c_str());
  // Whatever our own threads block or ignore is not the child's business.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> arguments = argv;
  std::vector<std::string> environment = child_environment(options);
  pid_t pid = -1;
  int error = ::posix_spawnp(&pid, argv[0].c_str(), &actions, &attributes,
                             pointers(arguments).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return fail_errno("start " + argv[0], error);
  return pid;
}

void set_status(CommandOutput& output, int status) {
  if (WIFSIGNALED(status))
    output.signal = WTERMSIG(status);
  else
    output.exit_status = WEXITSTATUS(status);
}

// Reads what is there. False at end of file.
bool drain(int fd, std::string& into, CommandOutput& output, std::size_t limit) {
  char buffer[1 << 16];
  ssize_t n = ::read(fd, buffer, sizeof buffer);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (n == 0) return false;
  const std::size_t room = limit - std::min(limit, into.size());
  into.append(buffer, std::min(room, static_cast<std::size_t>(n)));
  if (static_cast<std::size_t>(n) > room) output.truncated = true;
  return true;
}

// Collects output until both pipes are closed, or says why it gave up.
Status collect(const std::string& name, const CommandOptions& options, Fd& out, Fd& err,
               CommandOutput& output) {
  const auto deadline = Clock::now() + options.timeout;
  while (out || err) {
    if (options.stop.stop_requested()) return fail(ErrorKind::interrupted, name + " interrupted");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0)
      return fail(ErrorKind::environment,
                  name + " did not end within " + std::to_string(options.timeout.count()) + " ms");
    std::array<pollfd, 2> ready{{{out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}}};
    // The 100 ms are for noticing a stop request, which has no descriptor.
    const auto wait = std::min(left, std::chrono::milliseconds(100));
    if (::poll(ready.data(), ready.size(), static_cast<int>(wait.count())) < 0 && errno != EINTR)
      return fail_errno("poll", errno);
    if (ready[0].revents != 0 && !drain(out.get(), output.out, output, options.max_output))
      out.reset();
    if (ready[1].revents != 0 && !drain(err.get(), output.err, output, options.max_output))
      err.reset();
  }
  return {};
}

}  // namespace

Result<CommandOutput> run_command(const std::vector<std::string>& argv,
                                  const CommandOptions& options) {
  if (argv.empty() || argv[0].empty()) return fail(ErrorKind::internal, "empty command");
  Pipe out = KTRIAL_TRY(make_pipe());
  Pipe err = KTRIAL_TRY(make_pipe());
  const pid_t pid = KTRIAL_TRY(spawn(argv, options, out.write.get(), err.write.get()));
  out.write.reset();
  err.write.reset();

  CommandOutput output;
  Status collected = collect(argv[0], options, out.read, err.read, output);
  // A command that closed its output early is waited for; one we gave up on is
  // killed with its whole group.
  if (!collected) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!collected) return std::unexpected(std::move(collected).error());
  set_status(output, status);
  return output;
}

}  // namespace ktrial
