// Many short timers at once. None may fire before its time.
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <ctime>

#include "workloads/common/clock.h"
#include "workloads/sched-storm/deeds.h"

namespace ktrial::workload {
namespace {

constexpr std::size_t kTimers = 32;
constexpr std::int64_t kLast = 10'000'000;       // ns
constexpr std::int64_t kClockError = 1'000'000;  // ns between the clocks of two CPUs, at most

struct Timer {
  int file = -1;
  std::int64_t interval = 0, begun = 0;
  std::uint64_t fired = 0;
};

Timer start_timer(Actor& actor) {
  Timer timer;
  timer.file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  timer.interval = 200'000 + static_cast<std::int64_t>(actor.below(5'000'000));
  const itimerspec when{{0, timer.interval}, {0, timer.interval}};
  timer.begun = now_ns();
  if (timer.file >= 0) timerfd_settime(timer.file, 0, &when, nullptr);
  return timer;
}

void read_timer(Timer& timer) {
  std::uint64_t times = 0;
  if (read(timer.file, &times, sizeof times) != sizeof times) return;
  timer.fired += times;
  const std::int64_t passed = now_ns() - timer.begun + kClockError;
  if (static_cast<std::int64_t>(timer.fired) * timer.interval > passed)
    broken("timers: one of %lld ns fired %llu times in %lld ns",
           static_cast<long long>(timer.interval), static_cast<unsigned long long>(timer.fired),
           static_cast<long long>(passed - kClockError));
}

// Made, armed and deleted without ever firing.
void unheard_timers() {
  for (int i = 0; i < 16; ++i) {
    sigevent silent{};
    silent.sigev_notify = SIGEV_NONE;
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &silent, &timer) != 0) return;
    const itimerspec when{{0, 0}, {1, 0}};
    timer_settime(timer, 0, &when, nullptr);
    timer_delete(timer);
  }
}

}  // namespace

void timers(Actor& actor) {
  std::array<Timer, kTimers> all;
  std::array<pollfd, kTimers> files;
  for (std::size_t i = 0; i < kTimers; ++i) {
    all[i] = start_timer(actor);
    files[i] = {all[i].file, POLLIN, 0};
  }
  unheard_timers();
  for (const std::int64_t end = now_ns() + kLast; now_ns() < end;) {
    if (poll(files.data(), files.size(), 10) <= 0) continue;
    for (Timer& timer : all) read_timer(timer);
  }
  for (const Timer& timer : all)
    if (timer.file >= 0) close(timer.file);
}

}  // namespace ktrial::workload
