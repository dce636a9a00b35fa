#include "harness/base/janitor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>
#include <string>

#include "harness/base/file.h"

namespace ktrial {
namespace {

[[noreturn]] void janitor_main(int pipe) {
  ::setsid();
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(number, SIG_IGN);
  ::prctl(PR_SET_NAME, "ktrial-janitor");
  // Keep no terminal, pipe or lock of the parent open.
  ::dup2(pipe, 3);
  ::close_range(4, ~0u, 0);
  for (int fd = 0; fd < 3; ++fd) ::close(fd);

  std::set<std::string> paths;
  std::string line;
  char byte;
  for (;;) {
    ssize_t n = ::read(3, &byte, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (byte != '\0') {
      line.push_back(byte);
      continue;
    }
    if (line.size() > 1 && line[0] == '+') paths.insert(line.substr(1));
    if (line.size() > 1 && line[0] == '-') paths.erase(line.substr(1));
    line.clear();
  }
  for (const std::string& path : paths) {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  ::_exit(0);
}

}  // namespace

Result<Janitor> Janitor::start() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  Fd read_end(ends[0]), write_end(ends[1]);
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    write_end.reset();
    // A second fork, so that nobody has to reap the janitor.
    if (::fork() == 0) janitor_main(read_end.get());
    ::_exit(0);
  }
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return Janitor(std::move(write_end));
}

void Janitor::watch(const std::filesystem::path& path) { tell('+', path); }
void Janitor::forget(const std::filesystem::path& path) { tell('-', path); }

void Janitor::tell(char verb, const std::filesystem::path& path) {
  std::string message = verb + path.string() + '\0';
  // A janitor that died (killed by hand) must not stop a trial.
  (void)write_all(pipe_.get(), message);
}

}  // namespace ktrial
