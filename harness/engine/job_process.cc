#include "harness/engine/job_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>

#include "harness/base/child.h"
#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::engine {
namespace asio = boost::asio;
namespace {

constexpr int kPipeSize = 1 << 20;            // bytes; while we are busy it holds what is said
constexpr std::size_t kLastWords = 4u << 10;  // bytes of stderr

Result<Fd> file_of(const run::Job& job) {
  Fd fd(::memfd_create("ktrial-job", MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create", errno);
  KTRIAL_TRY(write_all(fd.get(), run::to_json(job), "job.json"));
  return fd;
}

// The reading end of a pipe; its writing end is for a child.
struct Pipe {
  Fd ours, theirs;
  static Result<Pipe> create() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
    Pipe out{Fd(ends[0]), Fd(ends[1])};
    (void)::fcntl(out.ours.get(), F_SETPIPE_SZ, kPipeSize);  // a smaller one works, too
    if (::fcntl(out.ours.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("fcntl", errno);
    return out;
  }
};

class Process final : public JobProcess {
 public:
  Process(asio::io_context& io, run::Sink heard, std::function<void()> ended)
      : heard_(std::move(heard)), ended_(std::move(ended)), out_(io), err_(io), patience_(io) {}

  Status start(asio::io_context& io, const std::filesystem::path& program, const run::Job& job) {
    const Fd file = KTRIAL_TRY(file_of(job));
    Pipe out = KTRIAL_TRY(Pipe::create()), err = KTRIAL_TRY(Pipe::create());
    child_ = KTRIAL_TRY(
        Child::start(io, {.program = program,
                          .arguments = {"job", "/proc/self/fd/" + std::to_string(file.get())},
                          .inherit = {file.get()},
                          .standard_output = out.theirs.get(),
                          .standard_error = err.theirs.get()}));
    out_.assign(out.ours.release());
    err_.assign(err.ours.release());
    listen(out_, &Process::hear_out);
    listen(err_, &Process::hear_err);
    child_->on_exit([this](ExitStatus status) { exited(status); });
    return {};
  }

  void end(std::chrono::milliseconds patience) override {
    if (cancelled_) return;
    cancelled_ = true;
    child_->signal(SIGTERM);
    patience_.expires_after(patience);
    patience_.async_wait([this](auto error) {
      if (!error) child_->signal(SIGKILL);
    });
  }

  How how() const override {
    if (last_word_ && last_word_->exit != 130) return Finished{last_word_->exit, last_word_->error};
    if (cancelled_) return Cancelled{};
    if (last_word_) return Finished{last_word_->exit, last_word_->error};
    if (reader_.error()) return Lost{"it spoke nonsense: " + reader_.error()->message};
    const std::string words = last_line(said_);
    return Lost{"its process " + status_.text() + (words.empty() ? "" : ": " + words)};
  }
  const std::optional<run::Begun>& begun() const override { return begun_; }
  const std::optional<run::Made>& made() const override { return made_; }

 private:
  using Hear = void (Process::*)(std::string_view);

  void listen(asio::posix::stream_descriptor& from, Hear hear) {
    from.async_wait(asio::posix::stream_descriptor::wait_read, [this, &from, hear](auto error) {
      if (!error && read_once(from, hear)) listen(from, hear);
    });
  }

  // What is there; false: that was the end, or nothing is.
  bool read_once(asio::posix::stream_descriptor& from, Hear hear) {
    std::array<char, 64 << 10> bytes;
    const ssize_t count = ::read(from.native_handle(), bytes.data(), bytes.size());
    if (count > 0) (this->*hear)({bytes.data(), static_cast<std::size_t>(count)});
    return count > 0 || (count < 0 && errno == EINTR);
  }

  void hear_out(std::string_view bytes) {
    // Who speaks nonsense once is not believed later; nor is it left to run.
    if (!reader_.error() && !reader_.feed(bytes)) child_->signal(SIGKILL);
  }

  void hear_err(std::string_view bytes) {
    said_ += bytes;
    if (said_.size() > kLastWords) said_.erase(0, said_.size() - kLastWords);
  }

  void take(const run::Event& event) {
    if (const auto* begun = std::get_if<run::Begun>(&event.what)) begun_ = *begun;
    if (const auto* made = std::get_if<run::Made>(&event.what)) made_ = *made;
    if (const auto* ended = std::get_if<run::Ended>(&event.what)) last_word_ = *ended;
    heard_(event);
  }

  void exited(ExitStatus status) {
    status_ = status;
    patience_.cancel();
    // Others may hold its pipes open; what it said itself is in them by now.
    while (read_once(out_, &Process::hear_out)) {
    }
    while (read_once(err_, &Process::hear_err)) {
    }
    out_.close();
    err_.close();
    ended_();
  }

  run::Sink heard_;
  std::function<void()> ended_;
  std::optional<Child> child_;
  asio::posix::stream_descriptor out_, err_;
  asio::steady_timer patience_;
  run::EventReader reader_{[this](const run::Event& event) { take(event); }};
  std::string said_;
  std::optional<run::Begun> begun_;
  std::optional<run::Made> made_;
  std::optional<run::Ended> last_word_;
  ExitStatus status_;
  bool cancelled_ = false;
};

}  // namespace

Result<std::unique_ptr<JobProcess>> JobProcess::start(asio::io_context& io,
                                                      const std::filesystem::path& program,
                                                      const run::Job& job, run::Sink heard,
                                                      std::function<void()> ended) {
  auto process = std::make_unique<Process>(io, std::move(heard), std::move(ended));
  KTRIAL_TRY(process->start(io, program, job));
  return process;
}

}  // namespace ktrial::engine
