#include "workloads/common/observers.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>

#include "workloads/common/arguments.h"
#include "workloads/common/census.h"
#include "workloads/common/clock.h"
#include "workloads/common/progress.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {
namespace {

constexpr std::int64_t kNap = 5'000'000;  // ns

// A wait for a datagram that never comes, one tick long.
class Deaf {
 public:
  Deaf() {
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends_) != 0)
      cannot_run("no socket for an observer");
    const timeval tick{.tv_sec = 0, .tv_usec = 1};
    setsockopt(ends_[0], SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick);
  }
  ~Deaf() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;
  void wait() {
    char byte;
    (void)!recv(ends_[0], &byte, 1, 0);
  }

 private:
  int ends_[2];
};

void sleep_until(std::int64_t ns) {
  const timespec at{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

std::uint64_t us_since(std::int64_t ns) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(now_ns() - ns, 0)) / 1000;
}

}  // namespace

void raise_to(std::atomic<std::uint64_t>& most, std::uint64_t value) {
  for (std::uint64_t seen = most.load();
       value > seen && !most.compare_exchange_weak(seen, value);) {
  }
}

Observers::Observers(const std::vector<int>& cpus) {
  const auto thresh = read_file("/proc/sys/kernel/watchdog_thresh");
  if (thresh)
    watchdog_us_ = static_cast<std::uint64_t>(first_number(*thresh).value_or(0)) * 1'000'000;
  for (const int cpu : cpus) {
    Post& post = posts_.emplace_back();
    post.all = this;
    post.cpu = cpu;
  }
  for (Post& post : posts_) post.thread = start_thread(stand, &post);
}

Observers::~Observers() {
  stop_ = true;
  for (const Post& post : posts_) pthread_join(post.thread, nullptr);
}

void* Observers::stand(void* argument) {
  Post& post = *static_cast<Post*>(argument);
  const sched_param highest{.sched_priority = 99};
  sched_setscheduler(0, SCHED_FIFO, &highest);
  Deaf deaf;
  while (!post.all->stop_) {
    if (!pin_to_cpu(post.cpu)) {  // it is offline
      sleep_us(50'000);
      continue;
    }
    const std::int64_t due = now_ns() + kNap;
    sleep_until(due);
    const std::uint64_t delay = us_since(due);
    const bool here = sched_getcpu() == post.cpu;
    const std::int64_t asked = now_ns();
    deaf.wait();
    const std::uint64_t gap = us_since(asked);
    if (!here || sched_getcpu() != post.cpu) continue;  // moved away amid
    raise_to(post.delay, delay);
    raise_to(post.softirq, gap);
    if (post.all->watchdog_us_ > 0 && delay >= post.all->watchdog_us_) ++post.near;
  }
  return nullptr;
}

void Observers::tell(Progress& progress) const {
  const auto latest = [this] {
    return std::max_element(posts_.begin(), posts_.end(), [](const Post& a, const Post& b) {
      return a.delay.load() < b.delay.load();
    });
  };
  progress.tell("longest_delay_us", [latest] { return latest()->delay.load(); });
  progress.tell("longest_delay_cpu",
                [latest] { return static_cast<std::uint64_t>(latest()->cpu); });
  progress.tell("longest_softirq_us", [this] {
    std::uint64_t most = 0;
    for (const Post& post : posts_) most = std::max(most, post.softirq.load());
    return most;
  });
  progress.tell("delays_over_watchdog_thresh", [this] {
    std::uint64_t sum = 0;
    for (const Post& post : posts_) sum += post.near.load();
    return sum;
  });
}

}  // namespace ktrial::workload
