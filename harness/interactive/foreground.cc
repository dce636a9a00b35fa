#include "harness/interactive/foreground.h"

#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "harness/base/fd.h"

extern char** environ;

namespace ktrial::interactive {

namespace {

// SIGINT and SIGQUIT of the terminal are not for us.
class Deaf {
 public:
  Deaf() {
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGINT, &ignore, &interrupt_);
    ::sigaction(SIGQUIT, &ignore, &quit_);
  }
  ~Deaf() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGQUIT, &quit_, nullptr);
  }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;

 private:
  struct sigaction interrupt_{}, quit_{};
};

Result<pid_t> spawn(const std::filesystem::path& program,
                    const std::vector<std::string>& arguments) {
  std::vector<char*> words = {const_cast<char*>(program.c_str())};
  for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t heard, none;
  sigemptyset(&heard);
  sigemptyset(&none);
  for (const int one : {SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGWINCH}) sigaddset(&heard, one);
  ::posix_spawnattr_setsigdefault(&attributes, &heard);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, program.c_str(), nullptr, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return fail_errno("start " + program.string(), error);
  return pid;
}

}  // namespace

Result<int> run_in_foreground(boost::asio::io_context& io, const std::filesystem::path& program,
                              const std::vector<std::string>& arguments) {
  const Deaf deaf;
  const pid_t pid = KTRIAL_TRY(spawn(program, arguments));
  Fd ended(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (ended) {
    boost::asio::posix::stream_descriptor waiting(io, ended.release());
    bool over = false;
    waiting.async_wait(boost::asio::posix::descriptor_base::wait_read,
                       [&](boost::system::error_code) { over = true; });
    io.restart();
    while (!over) io.run_one();
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace ktrial::interactive
