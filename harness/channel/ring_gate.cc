#include "harness/channel/ring_gate.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/base/unix_socket.h"
#include "harness/spec/timeouts.h"

namespace ktrial::channel {
namespace fs = std::filesystem;
using std::chrono::steady_clock;

namespace {

struct Header {
  std::uint32_t request, flags, size;  // the host's byte order
};
constexpr std::uint32_t kGetVringBase = 11;
// Bytes; the longest of the format has less than 1 KiB.
constexpr std::size_t kMostPayload = 64u << 10;
constexpr int kSpacing = 1;   // ms, of looks at a daemon that is busy
constexpr int kWatch = 1000;  // ms, of looks whether the worker lives

struct Message {
  std::string bytes;
  std::vector<Fd> descriptors;
};

// Reads until `out` has `size` bytes.
Status receive_up_to(int socket, std::size_t size, Message& out) {
  while (out.bytes.size() < size) {
    const std::size_t before = out.bytes.size();
    out.bytes.resize(size);
    Received got =
        KTRIAL_TRY(receive_with(socket, std::span(out.bytes).subspan(before, size - before)));
    out.bytes.resize(before + got.size);
    if (got.size == 0) return fail(ErrorKind::protocol, "vhost-user: the connection has ended");
    for (Fd& fd : got.descriptors) out.descriptors.push_back(std::move(fd));
  }
  return {};
}

// A peer that sends half a message does not hold us for good.
void set_patience(int socket) {
  const auto patience = spec::host_wait(spec::HostWait::vsock_daemon_start);
  const timeval limit{.tv_sec = std::chrono::ceil<std::chrono::seconds>(patience).count(),
                      .tv_usec = 0};
  (void)::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  (void)::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

bool waits_for_events(std::string_view syscall) {
  const auto number = to_number<long>(syscall.substr(0, syscall.find(' ')));
  if (!number) return false;  // "running"
#ifdef SYS_epoll_wait
  if (*number == SYS_epoll_wait) return true;
#endif
  return *number == SYS_epoll_pwait || *number == SYS_epoll_pwait2;
}

Worker worker_of(pid_t daemon) {
  std::error_code error;
  bool seen = false, busy = false;
  const fs::path tasks = "/proc/" + std::to_string(daemon) + "/task";
  for (fs::directory_iterator it(tasks, error), end; !error && it != end; it.increment(error)) {
    const auto name = read_file(it->path() / "comm");
    const auto syscall = read_file(it->path() / "syscall");
    if (!name) continue;  // it has just ended
    const bool worker = trimmed(*name) == "vring_worker";
    seen |= worker;
    if (worker && !syscall) return Worker::unknown;
    if (syscall) busy |= worker ? !waits_for_events(*syscall) : syscall->starts_with("running");
  }
  if (error) return Worker::unknown;
  if (!seen) return Worker::none;
  return busy ? Worker::busy : Worker::idle;
}

Result<std::unique_ptr<RingGate>> RingGate::open(const GateEnds& ends, std::function<void()> lost) {
  Fd listener = KTRIAL_TRY(listen_unix(ends.front, 1));
  Fd ending(::eventfd(0, EFD_CLOEXEC));
  if (!ending) return fail_errno("eventfd", errno);
  return std::unique_ptr<RingGate>(
      new RingGate(ends, std::move(lost), std::move(listener), std::move(ending)));
}

RingGate::RingGate(const GateEnds& ends, std::function<void()> lost, Fd listener, Fd ending)
    : ends_(ends),
      lost_(std::move(lost)),
      listener_(std::move(listener)),
      ending_(std::move(ending)),
      thread_([this] { run(); }) {}

RingGate::~RingGate() {
  const std::uint64_t one = 1;
  (void)!::write(ending_.get(), &one, sizeof one);
  thread_.join();
  std::error_code ignored;
  fs::remove(ends_.front, ignored);
}

bool RingGate::ends_within(int milliseconds) const {
  pollfd one{.fd = ending_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, milliseconds) > 0;
}

void RingGate::run() {
  while (true) {
    std::array<pollfd, 2> set{{{ending_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}}};
    if (::poll(set.data(), set.size(), -1) < 0 && errno != EINTR) return;
    if (set[0].revents != 0) return;
    if (set[1].revents == 0) continue;
    const Fd front(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const auto back = connect_unix(ends_.back);
    if (!front || !back) continue;
    set_patience(front.get());
    set_patience(back->get());
    serve(front.get(), back->get());
  }
}

void RingGate::serve(int front, int back) {
  worker_seen_ = worker_of(ends_.daemon) != Worker::none;
  while (true) {
    std::array<pollfd, 3> set{{{ending_.get(), POLLIN, 0}, {front, POLLIN, 0}, {back, POLLIN, 0}}};
    const int ready = ::poll(set.data(), set.size(), kWatch);
    if (ready < 0 && errno != EINTR) return;
    if (ready == 0) watch();
    if (ready <= 0) continue;
    if (set[0].revents != 0) return;
    if (set[1].revents != 0 && !pass(front, back, true)) return;
    if (set[2].revents != 0 && !pass(back, front, false)) return;
  }
}

void RingGate::watch() {
  const bool there = worker_of(ends_.daemon) != Worker::none;
  if (worker_seen_ && !there) lost_();
  worker_seen_ = there;
}

void RingGate::await_idle() {
  const auto deadline = steady_clock::now() + spec::host_wait(spec::HostWait::vsock_daemon_idle);
  while (worker_of(ends_.daemon) == Worker::busy && steady_clock::now() < deadline)
    if (ends_within(kSpacing)) return;
}

// One message, whole, with what descriptors came with it.
Status RingGate::pass(int from, int to, bool to_daemon) {
  Message message;
  KTRIAL_TRY(receive_up_to(from, sizeof(Header), message));
  Header header;
  std::memcpy(&header, message.bytes.data(), sizeof header);
  if (header.size > kMostPayload) return fail(ErrorKind::protocol, "vhost-user: a long message");
  KTRIAL_TRY(receive_up_to(from, sizeof header + header.size, message));
  if (to_daemon && header.request == kGetVringBase) await_idle();
  std::vector<int> descriptors;
  for (const Fd& fd : message.descriptors) descriptors.push_back(fd.get());
  return send_with(to, message.bytes, descriptors);
}

}  // namespace ktrial::channel
