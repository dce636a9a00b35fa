#include "workloads/common/hotplug.h"

#include <unistd.h>

#include <cstring>
#include <string>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {
namespace {

// A CPU is away for less than the second between two of its heartbeats.
constexpr std::uint64_t kLongestAway = 250;  // ms
constexpr int kTries = 100;                  // to bring a CPU back, 0.1 s apart

std::string switch_of(int cpu) {
  return "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/online";
}

std::uint64_t draw(std::uint64_t& state) {  // xorshift64
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

// All that may be away. A CPU that stays offline would be taken for one that hangs.
std::set<int> all_candidates;
std::atomic<bool> over{false};
void bring_all_back() {
  over = true;
  for (const int cpu : all_candidates) write_file(switch_of(cpu), "1");
}

}  // namespace

Hotplug::Hotplug(std::int64_t pause_ms, std::uint64_t seed)
    : pause_ms_(pause_ms), random_(seed * 2 + 1) {
  for (const int cpu : online_cpus())
    if (access(switch_of(cpu).c_str(), W_OK) == 0) candidates_.insert(cpu);
  if (pause_ms_ < 0 || candidates_.empty()) return;
  running_ = true;
  all_candidates = candidates_;
  on_sudden_end(bring_all_back);
  thread_ = start_thread(
      [](void* self) -> void* {
        static_cast<Hotplug*>(self)->run();
        return nullptr;
      },
      this);
}

Hotplug::~Hotplug() { stop(); }

void Hotplug::stop() {
  stop_ = true;
  if (running_) pthread_join(thread_, nullptr);
  running_ = false;
}

void Hotplug::hold(const std::set<int>& cpus) {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      held_ = cpus;
      if (!held_.contains(switching_)) {
        touched_.clear();
        if (switching_ >= 0) touched_.insert(switching_);
        return;
      }
    }
    sleep_us(2000);
  }
}

std::set<int> Hotplug::touched() {
  const std::lock_guard lock(mutex_);
  return touched_;
}

void Hotplug::release() {
  const std::lock_guard lock(mutex_);
  held_.clear();
}

int Hotplug::pick() {
  const std::lock_guard lock(mutex_);
  std::set<int> free;
  for (const int cpu : candidates_)
    if (!held_.contains(cpu)) free.insert(cpu);
  if (free.empty()) return -1;
  switching_ = *std::next(free.begin(), static_cast<long>(draw(random_) % free.size()));
  touched_.insert(switching_);
  return switching_;
}

void Hotplug::cycle(int cpu) {
  // A refusal (EBUSY) is no fault; a CPU that stays away is.
  if (over || write_file(switch_of(cpu), "0") != 0) return;
  sleep_us(static_cast<std::int64_t>(draw(random_) % (kLongestAway * 1000)));
  int error = 0;
  for (int i = 0; i < kTries; ++i) {
    error = write_file(switch_of(cpu), "1");
    if (error == 0) break;
    sleep_us(100'000);
  }
  if (error != 0) broken("CPU %d does not come back online: %s", cpu, std::strerror(error));
  ++cycles_;
}

void Hotplug::run() {
  while (!stop_) {
    if (const int cpu = pick(); cpu >= 0) {
      cycle(cpu);
      const std::lock_guard lock(mutex_);
      switching_ = -1;
    }
    const auto most = static_cast<std::uint64_t>(pause_ms_) * 1000 + 1;
    sleep_us(static_cast<std::int64_t>(draw(random_) % most));
  }
}

}  // namespace ktrial::workload
