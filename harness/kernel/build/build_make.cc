#include "harness/kernel/build/build_make.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>

#include "harness/base/child.h"
#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/spec/timeouts.h"

namespace ktrial::kernel {
namespace {
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxLine = 4096;  // bytes kept of a line without end

constexpr const char* kInstall = "apt-get install bc bison flex gcc libelf-dev libssl-dev make";

struct Trouble {
  std::string_view sign;  // in a line of make's output
  std::string_view message;
  std::string_view hint;
};
constexpr Trouble kTroubles[] = {
    {"No space left on device", "the disk is full", "free some space, or set XDG_CACHE_HOME"},
    {"File size limit exceeded", "a file grew beyond the limit of file sizes", "see ulimit -f"},
    {"File too large", "a file grew beyond the limit of file sizes", "see ulimit -f"},
    {"Disk quota exceeded", "the disk quota is used up", "free some space, or set XDG_CACHE_HOME"},
    {"Read-only file system", "the cache lies on a read-only file system", "set XDG_CACHE_HOME"},
    {"Killed signal terminated program", "the compiler was killed, as a host short of memory does",
     "build with fewer jobs"},
    {"Cannot allocate memory", "the host is short of memory", "build with fewer jobs"},
    {"flex: not found", "flex is not installed", kInstall},
    {"bison: not found", "bison is not installed", kInstall},
    {"bc: not found", "bc is not installed", kInstall},
    {"flex: No such file", "flex is not installed", kInstall},
    {"bison: No such file", "bison is not installed", kInstall},
    {"bc: No such file", "bc is not installed", kInstall},
    {"gcc: not found", "the compiler is not installed", kInstall},
    {"gcc: No such file", "the compiler is not installed", kInstall},
    {"libelf.h: No such file", "the headers of libelf are not installed", kInstall},
    {"gelf.h: No such file", "the headers of libelf are not installed", kInstall},
    {"please install libelf-dev", "the headers of libelf are not installed", kInstall},
    {"Cannot generate ORC metadata", "the headers of libelf are not installed", kInstall},
    {"openssl/opensslv.h: No such file", "the headers of OpenSSL are not installed", kInstall},
    {"openssl/bio.h: No such file", "the headers of OpenSSL are not installed", kInstall},
    {"pahole: not found", "pahole is not installed", "apt-get install pahole"},
    {"pahole (pahole) is not available", "pahole is not installed", "apt-get install pahole"},
};

bool later(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

timespec touched(int file) {
  struct stat status{};
  ::futimens(file, nullptr);
  ::fstat(file, &status);
  return status.st_mtim;
}

// The time as the file system of `file` sees it. What it stamps from now on is
// later: its clock, which moves in ticks, is waited for.
timespec file_time_that_passed(int file) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(100);
  const timespec begun = touched(file);
  while (Clock::now() < deadline && !later(touched(file), begun)) ::poll(nullptr, 0, 1);
  return begun;
}

void remove_later_files(const std::filesystem::path& directory, const timespec& time) {
  std::error_code error;
  for (auto at = std::filesystem::recursive_directory_iterator(directory, error);
       !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
    struct stat status{};
    if (::lstat(at->path().c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        later(status.st_mtim, time))
      ::unlink(at->path().c_str());
  }
}

class MakeProcess {
 public:
  explicit MakeProcess(const MakeRun& run) : run_(run) {}

  Result<MakeOutcome> run() {
    KTRIAL_TRY(start());
    MakeOutcome outcome;
    const Status drained = drain();
    const std::optional<ExitStatus> status = drained ? wait() : std::nullopt;
    if (!status) {
      outcome.killed = !end_softly();
      KTRIAL_TRY(drained);
      outcome.stopped = true;
      return outcome;
    }
    outcome.ok = !status->signaled && status->value == 0;
    outcome.status = status->text();
    outcome.tail = tail_.substr(tail_.size() - std::min(tail_.size(), kMaxTail));
    return outcome;
  }

 private:
  Status start() {
    log_ = KTRIAL_TRY(open_file(run_.log, O_WRONLY | O_CREAT | O_APPEND));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
    output_ = Fd(ends[0]);
    const Fd write_end(ends[1]);
    const auto program = find_program("env");
    if (!program || !find_program("make"))
      return fail(ErrorKind::environment, "make is not installed", kInstall);
    Child::Options options{.program = *program,
                           .arguments = {"-u", "MAKEFLAGS", "-u", "MAKELEVEL", "LC_ALL=C", "make"},
                           .standard_output = write_end.get(),
                           .standard_error = write_end.get(),
                           .death_signal = SIGTERM};  // make cleans up, and passes it on
    options.arguments.insert(options.arguments.end(), run_.arguments.begin(), run_.arguments.end());
    if (run_.inherit >= 0) options.inherit.push_back(run_.inherit);
    child_.emplace(KTRIAL_TRY(Child::start(io_, options)));
    return {};
  }

  // Until all who could write have closed the pipe, make itself has ended, or we
  // are to stop.
  Status drain() {
    while (true) {
      if (run_.stop.stop_requested()) return {};
      pollfd ready{output_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 100) < 0 && errno != EINTR) return fail_errno("poll", errno);
      if (ready.revents == 0) {
        if (child_->poll()) return {};
        continue;
      }
      char buffer[1 << 14];
      const ssize_t n = ::read(output_.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return {};
      KTRIAL_TRY(take({buffer, static_cast<std::size_t>(n)}));
    }
  }

  Status take(std::string_view bytes) {
    if (Status written = write_all(log_.get(), bytes, run_.log); !written) {
      Error error = std::move(written).error();
      if (error.hint.empty()) error.hint = "free some space, or set XDG_CACHE_HOME";
      return std::unexpected(std::move(error));
    }
    tail_ += bytes;
    if (tail_.size() > 2 * kMaxTail) tail_.erase(0, tail_.size() - kMaxTail);
    for (const char c : bytes) {
      if (c != '\n') {
        if (line_.size() < kMaxLine) line_.push_back(c);
        continue;
      }
      if (run_.on_line) run_.on_line(line_);
      line_.clear();
    }
    return {};
  }

  // True if make ended by itself. It removes the targets of its recipes before
  // these have ended (GNU make 4.3, fatal_error_signal), and so one can still write
  // its target, half, after that.
  bool end_softly() {
    const timespec stopped = file_time_that_passed(log_.get());
    ::kill(-child_->pid(), SIGTERM);
    const auto deadline = Clock::now() + spec::host_wait(spec::HostWait::make_end);
    while (!child_->poll() && Clock::now() < deadline) {
      pollfd ready{output_.get(), POLLIN, 0};
      char buffer[1 << 14];
      // A full pipe must not keep it from ending; at end of file only the time is left.
      if (::poll(&ready, 1, 20) > 0 && ::read(output_.get(), buffer, sizeof buffer) <= 0)
        ::poll(nullptr, 0, 20);
    }
    const bool ended = child_->poll().has_value();
    child_->kill();
    remove_later_files(run_.objects, stopped);
    return ended;
  }

  // nullopt at a stop request.
  std::optional<ExitStatus> wait() {
    while (!run_.stop.stop_requested()) {
      if (const auto status = child_->poll()) return status;
      ::poll(nullptr, 0, 20);
    }
    return std::nullopt;
  }

  const MakeRun& run_;
  boost::asio::io_context io_;
  std::optional<Child> child_;
  Fd log_, output_;
  std::string tail_, line_;
};

}  // namespace

Result<MakeOutcome> run_make(const MakeRun& run) { return MakeProcess(run).run(); }

Error host_trouble(std::string_view output) {
  Error error{ErrorKind::environment, ""};
  while (const auto line = take_line(output))
    for (const Trouble& trouble : kTroubles)
      if (error.message.empty() && line->contains(trouble.sign))
        error = {ErrorKind::environment, std::string(trouble.message), std::string(trouble.hint)};
  return error;
}

std::vector<std::string> error_lines(std::string_view output, std::size_t limit) {
  std::vector<std::string> errors, last;
  while (const auto line = take_line(output)) {
    const std::string text(line->substr(0, kMaxLine));
    const bool is_error = line->contains("error:") || line->contains("undefined reference") ||
                          line->contains("ERROR:") || line->contains("*** ");
    if (is_error && errors.size() < limit) errors.push_back(text);
    if (!line->empty()) last.push_back(text);
    if (last.size() > limit) last.erase(last.begin());
  }
  return errors.empty() ? last : errors;
}

}  // namespace ktrial::kernel
