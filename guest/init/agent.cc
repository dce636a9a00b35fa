#include "guest/init/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "guest/init/counters.h"
#include "guest/init/system.h"

namespace ktrial::init {
namespace {

// Above this many unsent bytes nothing more is taken in, from the workload or
// the host: a host that does not read stops the workload's output, not us.
constexpr std::size_t kQueueLimit = 256 * 1024;
// After a write of 64 KiB, a vsock between 6.12.117 or 6.18.15 and vhost-device-vsock moved no byte
// more (6.1 and 6.19.14: not seen); as it seems because they make packets of several pieces of it.
constexpr std::size_t kWriteAtOnce = 16 * 1024;
constexpr int kPiecesAtATime = 8;  // of a trace, before others have their turn
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kLastWords = kSecond;  // how long the end waits for the host to read

}  // namespace

wire::Hello make_hello(const std::string& command_line) {
  utsname name = {};
  uname(&name);
  wire::Hello hello;
  hello.possible_cpus = static_cast<std::uint32_t>(possible_cpus().size());
  hello.online_cpus = static_cast<std::uint32_t>(online_cpus().size());
  hello.kernel_release = name.release;
  hello.kernel_version = name.version;
  hello.command_line = command_line.substr(0, command_line.find('\n'));
  hello.uptime_ns = uptime_ns();
  return hello;
}

// What the script says next; after a Run, when that has ended.
void Agent::follow_script() {
  while (!ended_ && !runner_.running()) {
    const auto message = script_.next();
    if (!message) return;
    obey(*message);
  }
}

Agent::Agent(int control, Options options)
    : control_(control),
      options_(std::move(options)),
      runner_(options_.alone, [this](const wire::Message& message) { send(message); }),
      trace_clock_(options_.tracefs) {
  if (options_.script) script_.feed(*options_.script);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  signals_ = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
}

Agent::~Agent() {
  if (signals_ >= 0) close(signals_);
}

void Agent::send(const wire::Message& message) {
  queue_ += wire::encode(message);
  flush();
}

void Agent::flush() {
  while (!lost_ && sent_ < queue_.size()) {
    const std::size_t size = std::min(queue_.size() - sent_, kWriteAtOnce);
    const ssize_t wrote = write(control_, queue_.data() + sent_, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno != EAGAIN) {
      lost_ = true;
      end(with_errno("the control stream is lost", errno));
    }
    if (wrote <= 0) break;
    sent_ += static_cast<std::size_t>(wrote);
  }
  // Not after each write: moving a long rest again and again would be quadratic.
  if (sent_ == queue_.size() || sent_ > kQueueLimit) {
    queue_.erase(0, sent_);
    sent_ = 0;
  }
}

std::string Agent::run() {
  next_second_ns_ = monotonic_ns() + kSecond;
  while (!ended_) serve_once();
  drain_before_end();
  return why_;
}

bool Agent::has_room() const { return queue_.size() - sent_ < kQueueLimit; }

template <typename Pieces>
void Agent::send_some(std::optional<Pieces>& from) {
  for (int i = 0; i < kPiecesAtATime && from && has_room(); ++i) {
    if (auto piece = from->next())
      send(*piece);
    else
      from.reset();
  }
}

void Agent::send_clocks() {
  if (!has_room()) return;
  if (const auto clocks = trace_clock_.read()) send(*clocks);
}

// The main loop's step: wait; then the host, the children, the workload's
// pipes, what is left of a trace or of files, and what is due by the clock.
void Agent::serve_once() {
  follow_script();
  if (ended_) return;
  wait_for_events();
  send_some(trace_);
  send_some(files_);
  const std::uint64_t now = monotonic_ns();
  runner_.on_time(now);
  if (now >= next_second_ns_) {
    next_second_ns_ = now + kSecond;
    if (options_.each_second) options_.each_second();
    if (begun_) send_clocks();
  }
}

void Agent::wait_for_events() {
  const bool room = has_room();
  const bool unsent = sent_ < queue_.size();
  std::vector<pollfd> polls = {
      {control_, static_cast<short>((room ? POLLIN : 0) | (unsent ? POLLOUT : 0)), 0},
      {signals_, POLLIN, 0},
  };
  if (room) runner_.append_polls(polls);
  const std::uint64_t wake = std::min(next_second_ns_, runner_.wakes_at().value_or(~0ULL));
  const std::uint64_t now = monotonic_ns();
  const int timeout_ms = wake <= now || ((trace_ || files_) && room)
                             ? 0
                             : static_cast<int>((wake - now) / 1'000'000 + 1);
  if (poll(polls.data(), polls.size(), timeout_ms) <= 0) return;
  if (polls[0].revents & POLLOUT) flush();
  if (polls[0].revents & ~POLLOUT) read_control();
  if (polls[1].revents) reap();
  for (std::size_t i = 2; i < polls.size(); ++i) {
    if (polls[i].revents) runner_.on_ready(polls[i].fd);
  }
}

void Agent::read_control() {
  char chunk[4096];
  const ssize_t got = read(control_, chunk, sizeof(chunk));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    lost_ = true;
    return end(got == 0 ? "the host closed the control stream"
                        : with_errno("the control stream is lost", errno));
  }
  decoder_.feed({chunk, static_cast<std::size_t>(got)});
  while (!ended_) {
    const auto message = decoder_.next();
    if (!message) break;
    obey(*message);
  }
  if (!ended_ && !decoder_.error().empty()) end("control stream: " + decoder_.error());
}

void Agent::obey(const wire::Message& message) {
  if (const auto* run = std::get_if<wire::Run>(&message)) {
    begun_ = true;
    send_clocks();
    runner_.start(*run);
  } else if (std::holds_alternative<wire::ReadCounters>(message)) {
    send(read_counters());
  } else if (const auto* setup = std::get_if<wire::TraceSetup>(&message)) {
    send(set_up_tracing(*setup, options_.tracefs));
  } else if (std::holds_alternative<wire::ReadTrace>(message)) {
    if (!trace_) trace_.emplace(options_.tracefs);
  } else if (const auto* most = std::get_if<wire::ReadFiles>(&message)) {
    if (!files_) files_.emplace(*most, options_.output);
  } else if (const auto* ping = std::get_if<wire::Ping>(&message)) {
    send(wire::Pong{ping->token});
  } else if (std::holds_alternative<wire::Resume>(message)) {
    send(wire::Log{"told to resume, and is not parked"});
  } else if (std::holds_alternative<wire::PowerOff>(message)) {
    end({});
  } else {
    end("control stream: a message that only guests send (type " +
        std::to_string(message.index() + 1) + ")");
  }
}

void Agent::reap() {
  signalfd_siginfo ignored[8];  // one signal may stand for many children
  while (read(signals_, ignored, sizeof(ignored)) > 0) {
  }
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) runner_.on_reaped(pid, status);
}

void Agent::end(std::string why) {
  if (ended_) return;
  ended_ = true;
  why_ = std::move(why);
}

void Agent::drain_before_end() {
  if (!why_.empty() && !lost_) send(wire::Log{"giving up: " + why_});
  const std::uint64_t until = monotonic_ns() + kLastWords;
  while (!lost_ && sent_ < queue_.size()) {
    const std::uint64_t now = monotonic_ns();
    if (now >= until) return;
    pollfd state = {control_, POLLOUT, 0};
    poll(&state, 1, static_cast<int>((until - now) / 1'000'000 + 1));
    if (state.revents & (POLLERR | POLLNVAL)) return;
    flush();
  }
}

}  // namespace ktrial::init
