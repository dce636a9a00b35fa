#include "guest/init/beats.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "guest/init/system.h"
#include "guest/wire/wire.h"

namespace ktrial::init {
namespace {

constexpr std::size_t kStack = 128 * 1024;  // bytes; sanitizers need this much

bool pin_to(std::uint32_t cpu) {
  // A mask in words, because cpu_set_t ends at 1024 CPUs. Zero on success.
  unsigned long mask[8192 / (8 * sizeof(unsigned long))] = {};
  constexpr std::uint32_t kBits = 8 * sizeof(unsigned long);
  mask[cpu / kBits] = 1UL << (cpu % kBits);
  return syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) == 0;
}

timespec to_timespec(std::uint64_t ns) {
  return {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
}

}  // namespace

void Beats::begin(int fd) {
  struct stat status = {};
  is_socket_ = fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
  fd_ = fd;
  fd_.notify_all();
}

Beats::~Beats() {
  stop_ = true;
  if (fd_ == kNone) begin(STDERR_FILENO);  // nobody writes to it any more
  for (Thread* thread : threads_) {
    pthread_join(thread->handle, nullptr);
    delete thread;
  }
}

void Beats::cover_online_cpus() {
  for (std::uint32_t cpu : online_cpus()) {
    const auto has = [cpu](const Thread* thread) { return thread->cpu == cpu; };
    if (std::any_of(threads_.begin(), threads_.end(), has)) continue;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStack);
    auto* thread = new Thread{this, cpu, {}};
    const int error = pthread_create(&thread->handle, &attributes, run, thread);
    pthread_attr_destroy(&attributes);
    if (error == 0) {
      threads_.push_back(thread);
      continue;
    }
    delete thread;
    say(with_errno("cannot start the beat of CPU " + std::to_string(cpu), error));
    return;  // tried again with the next call
  }
}

void* Beats::run(void* thread) {
  const auto* self = static_cast<Thread*>(thread);
  pthread_setname_np(pthread_self(), (wire::kBeatThread + std::to_string(self->cpu)).c_str());
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), -20);  // this thread only; may be refused
  self->owner->beat_for(self->cpu);
  return nullptr;
}

void Beats::beat_for(std::uint32_t cpu) {
  const auto here = [cpu] { return sched_getcpu() == static_cast<int>(cpu); };
  Frame frame;
  bool pinned = pin_to(cpu);
  fd_.wait(kNone);
  std::uint64_t due = monotonic_ns();
  for (std::uint64_t sequence = 0; !stop_; ++sequence) {
    // An offlined CPU's threads are moved and their mask is widened.
    if (!pinned || !here()) pinned = pin_to(cpu);
    if (frame.unsent == 0 && !torn_ && pinned && here()) {
      frame.bytes = wire::encode_beat({cpu, sequence, uptime_ns()});
      frame.unsent = frame.bytes.size();
    }
    if (frame.unsent != 0) send_some(frame);
    due = std::max(due + period_ns_, monotonic_ns());
    const timespec until = to_timespec(due);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }
}

// A beat that cannot be begun is skipped, not sent late. One that was cut short
// (a vsock that is almost full does that) must be finished before anything else
// enters the stream: `torn_` holds the others back.
void Beats::send_some(Frame& frame) {
  const bool begun = frame.unsent != frame.bytes.size();
  const char* from = frame.bytes.data() + frame.bytes.size() - frame.unsent;
  const ssize_t sent = is_socket_ ? send(fd_, from, frame.unsent, MSG_DONTWAIT | MSG_NOSIGNAL)
                                  : write(fd_, from, frame.unsent);
  if (sent > 0) frame.unsent -= static_cast<std::size_t>(sent);
  if (frame.unsent == frame.bytes.size()) {
    frame.unsent = 0;
  } else if (frame.unsent != 0) {
    torn_ = true;
  } else if (begun) {
    torn_ = false;
  }
}

}  // namespace ktrial::init
