// Runs workloads beside each other: ktrial-mix /workloads/A --x=1 + /workloads/B --y=2. Ends as the
// first does that does not end well, else when all have ended.
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "guest/mix/part.h"

using namespace ktrial::mix;

namespace {

constexpr int kProgress = 3;     // as the agent gave it to us, and we to each part
constexpr int kMostCpus = 1024;  // that are brought back

struct Running {
  pid_t pid = -1;
  int end = -1;  // pidfd: readable when it has ended
  int output = -1, progress = -1;
};

[[noreturn]] void be(const std::vector<std::string>& command, int output, int progress) {
  setpgid(0, 0);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (progress != kProgress) dup2(progress, kProgress);
  fcntl(kProgress, F_SETFD, 0);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  std::printf("cannot run here: %s: %s\n", argv[0], std::strerror(errno));
  std::fflush(stdout);
  _exit(2);
}

std::optional<Running> start(const std::vector<std::string>& command) {
  int output[2], progress[2];
  if (pipe2(output, O_CLOEXEC) != 0 || pipe2(progress, O_CLOEXEC) != 0) return std::nullopt;
  const pid_t pid = fork();
  if (pid < 0) return std::nullopt;
  if (pid == 0) be(command, output[1], progress[1]);
  close(output[1]);
  close(progress[1]);
  return Running{pid, static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), output[0], progress[0]};
}

void say(int fd, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t wrote = write(fd, text.data() + at, text.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return;
    at += static_cast<std::size_t>(wrote);
  }
}

// False: it is at its end, and closed.
template <typename Take>
bool drain(int& fd, const Take& take) {
  char bytes[4096];
  const ssize_t got = read(fd, bytes, sizeof bytes);
  if (got > 0) {
    take(std::string_view(bytes, static_cast<std::size_t>(got)));
    return true;
  }
  if (got < 0 && errno == EINTR) return true;
  close(fd);
  fd = -1;
  return false;
}

// The rest may have taken CPUs away; one that stays so would be taken for one that hangs.
void bring_cpus_back() {
  for (int cpu = 0; cpu < kMostCpus; ++cpu) {
    const std::string file = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/online";
    const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) continue;
    (void)!write(fd, "1", 1);
    close(fd);
  }
}

class Mix {
 public:
  explicit Mix(const std::vector<std::vector<std::string>>& commands) {
    for (const auto& command : commands) {
      parts_.emplace_back(command.front());
      auto started = start(command);
      if (!started) end(2, "cannot run here: " + command.front() + " could not be started\n");
      running_.push_back(*started);
    }
  }

  int run() {
    while (listen()) {
    }
    return 0;
  }

 private:
  // False: all have ended.
  bool listen() {
    std::vector<pollfd> files;
    for (const Running& one : running_)
      for (const int fd : {one.output, one.progress, one.end}) files.push_back({fd, POLLIN, 0});
    poll(files.data(), files.size(), -1);
    bool open = false;
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Running& one = running_[i];
      const bool said = files[3 * i].revents != 0, moved = files[3 * i + 1].revents != 0;
      if (said) hear_output(i);
      if (moved) hear_progress(i);
      // Its child that cannot die may hold the pipes open: they are read empty, and left.
      const bool ended = files[3 * i + 2].revents != 0 && !said && !moved;
      if (one.pid > 0 && (ended || (one.output < 0 && one.progress < 0))) reap(i);
      open |= one.pid > 0;
    }
    std::vector<bool> runs;
    for (const Running& one : running_) runs.push_back(one.pid > 0);
    if (const std::string line = merged(parts_, runs); !line.empty()) say(kProgress, line);
    return open;
  }

  void hear_output(std::size_t i) {
    drain(running_[i].output,
          [&](std::string_view bytes) { say(STDOUT_FILENO, parts_[i].said(bytes)); });
  }
  void hear_progress(std::size_t i) {
    drain(running_[i].progress, [&](std::string_view bytes) { parts_[i].hear_progress(bytes); });
  }

  void reap(std::size_t i) {
    Running& one = running_[i];
    for (int* fd : {&one.end, &one.output, &one.progress}) {
      if (*fd >= 0) close(*fd);
      *fd = -1;
    }
    say(STDOUT_FILENO, parts_[i].said_at_end());
    int status = 0;
    while (waitpid(one.pid, &status, 0) < 0 && errno == EINTR) {
    }
    one.pid = -1;
    if (WIFSIGNALED(status))
      end(128 + WTERMSIG(status),
          parts_[i].name() + ": ended by signal " + std::to_string(WTERMSIG(status)) + "\n");
    if (WEXITSTATUS(status) != 0) end(WEXITSTATUS(status), "");
  }

  [[noreturn]] void end(int status, const std::string& why) {
    say(STDOUT_FILENO, why);
    for (const Running& one : running_)
      if (one.pid > 0) kill(-one.pid, SIGKILL);
    bring_cpus_back();
    _exit(status);
  }

  std::vector<Part> parts_;
  std::vector<Running> running_;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto commands = commands_of(std::vector<std::string>(argv + 1, argv + argc));
  for (const auto& command : commands)
    if (command.empty()) return 2;
  return Mix(commands).run();
}
