#include "harness/base/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/process/v2/posix/default_launcher.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace ktrial {
namespace asio = boost::asio;
namespace process = boost::process::v2;

std::string ExitStatus::text() const {
  if (!known) return "ended";
  if (!signaled) return "exited with status " + std::to_string(value);
  const char* name = ::sigabbrev_np(value);
  return std::string("was killed by SIG") + (name != nullptr ? name : std::to_string(value));
}

struct Child::State {
  explicit State(asio::io_context& io) : pidfd(io) {}
  ~State() { kill(); }

  std::optional<ExitStatus> reap(int flags) {
    if (status) return status;
    siginfo_t info{};
    int rc;
    do {
      rc = ::waitid(P_PIDFD, static_cast<id_t>(pidfd.native_handle()), &info, WEXITED | flags);
      // Asio made the descriptor non-blocking, and waitid(2) then never waits.
      if (rc != 0 && errno == EAGAIN) {
        pollfd one{pidfd.native_handle(), POLLIN, 0};
        ::poll(&one, 1, -1);
        errno = EINTR;
      }
    } while (rc != 0 && errno == EINTR);
    if (rc == 0 && info.si_pid == 0) return std::nullopt;
    if (rc != 0) {
      status = ExitStatus{true, SIGKILL};  // reaped elsewhere: cannot happen, but never hang
    } else {
      status = ExitStatus{info.si_code != CLD_EXITED, info.si_status};
    }
    return status;
  }

  void kill() {
    if (pid <= 0) return;
    if (!status) {
      ::kill(-pid, SIGKILL);
      reap(0);
    }
    boost::system::error_code ignored;
    pidfd.close(ignored);
    pid = -1;
  }

  asio::posix::stream_descriptor pidfd;
  pid_t pid = -1;
  std::optional<ExitStatus> status;
};

namespace {

// Runs in the child between fork and exec: async-signal-safe calls only.
struct ChildSetup {
  const Child::Options& options;
  pid_t parent;
  std::vector<const char*> environment;  // empty: ours

  template <class Launcher>
  process::error_code on_setup(Launcher& launcher, const process::filesystem::path&,
                               const char* const*&) {
    for (int fd : options.inherit) launcher.fd_whitelist.push_back(fd);
    if (!environment.empty()) launcher.env = environment.data();
    return {};
  }
  template <class Launcher>
  process::error_code on_exec_setup(Launcher&, const process::filesystem::path&,
                                    const char* const*&) {
    auto last_error = [] { return process::error_code(errno, boost::system::system_category()); };
    if (::setpgid(0, 0) != 0) return last_error();
    if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) return last_error();
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    if (::prctl(PR_SET_PDEATHSIG, options.death_signal) != 0) return last_error();
    if (::getppid() != parent) ::_exit(127);
    for (int fd : options.inherit)
      if (::fcntl(fd, F_SETFD, 0) != 0) return last_error();
    return {};
  }
};

}  // namespace

Result<Child> Child::start(asio::io_context& io, const Options& options) {
  Fd null = KTRIAL_TRY([]() -> Result<Fd> {
    int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return fail_errno("open /dev/null", errno);
    return Fd(fd);
  }());
  auto or_null = [&](int fd) { return fd >= 0 ? fd : null.get(); };
  ChildSetup setup{options, ::getpid(), {}};
  if (options.environment) {
    for (const std::string& entry : *options.environment)
      setup.environment.push_back(entry.c_str());
    setup.environment.push_back(nullptr);
  }
  process::error_code error;
  process::posix::default_launcher launcher;
  auto launched = launcher(io.get_executor(), error, process::filesystem::path(options.program),
                           options.arguments, std::move(setup),
                           process::process_stdio{null.get(), or_null(options.standard_output),
                                                  or_null(options.standard_error)});
  const pid_t pid = launcher.pid;
  launched.detach();
  if (error) {
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    return fail(ErrorKind::environment,
                "cannot start " + options.program.string() + ": " + error.message());
  }
  ::setpgid(pid, pid);  // as the child does: whoever comes first, the group exists on return
  auto state = std::make_shared<State>(io);
  state->pid = pid;
  int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) {
    int saved = errno;
    ::kill(-pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    state->pid = -1;
    return fail_errno("pidfd_open", saved);
  }
  state->pidfd.assign(pidfd);
  return Child(std::move(state));
}

Child::Child(std::shared_ptr<State> state) : state_(std::move(state)) {}
Child::Child(Child&&) noexcept = default;
Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    kill();
    state_ = std::move(other.state_);
  }
  return *this;
}
Child::~Child() { kill(); }

pid_t Child::pid() const { return state_ ? state_->pid : -1; }

void Child::on_exit(std::function<void(ExitStatus)> handler) {
  state_->pidfd.async_wait(asio::posix::stream_descriptor::wait_read,
                           [weak = std::weak_ptr(state_),
                            handler = std::move(handler)](const boost::system::error_code& error) {
                             auto state = weak.lock();
                             if (error || !state) return;
                             if (auto status = state->reap(WNOHANG)) handler(*status);
                           });
}

std::optional<ExitStatus> Child::poll() { return state_ ? state_->reap(WNOHANG) : std::nullopt; }

ExitStatus Child::wait() { return *state_->reap(0); }

void Child::signal(int number) {
  if (state_ && state_->pid > 0 && !state_->status)
    ::syscall(SYS_pidfd_send_signal, state_->pidfd.native_handle(), number, nullptr, 0);
}

void Child::kill() {
  if (state_) state_->kill();
}

std::optional<std::filesystem::path> find_program(const std::string& name) {
  namespace fs = std::filesystem;
  auto usable = [](const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos)
    return usable(name) ? std::optional(fs::absolute(name)) : std::nullopt;
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    auto colon = rest.find(':');
    auto folder = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
    if (!folder.empty() && usable(fs::path(folder) / name)) return fs::path(folder) / name;
  }
  return std::nullopt;
}

}  // namespace ktrial
