#include "harness/base/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "harness/base/child.h"
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
  return environment_with(set);
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
  const auto program = find_program(argv[0]);
  if (!program) return fail(ErrorKind::environment, argv[0] + " is not installed");
  Pipe out = KTRIAL_TRY(make_pipe());
  Pipe err = KTRIAL_TRY(make_pipe());
  boost::asio::io_context io;
  Child child =
      KTRIAL_TRY(Child::start(io, {.program = *program,
                                   .arguments = {argv.begin() + 1, argv.end()},
                                   .standard_output = out.write.get(),
                                   .standard_error = err.write.get(),
                                   .death_signal = SIGTERM,  // passed on to what it started
                                   .directory = options.directory,
                                   .environment = child_environment(options)}));
  out.write.reset();
  err.write.reset();

  CommandOutput output;
  // On an error the child is killed with its whole group; one that closed its output
  // early is waited for.
  KTRIAL_TRY(collect(argv[0], options, out.read, err.read, output));
  const ExitStatus status = child.wait();
  (status.signaled ? output.signal : output.exit_status) = status.value;
  return output;
}

std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& set) {
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

}  // namespace ktrial
