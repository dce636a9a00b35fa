#include "workloads/common/metronome.h"

#include <algorithm>

#include "workloads/common/clock.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {

namespace {
constexpr std::int64_t kPause = 10'000;             // us between rounds
constexpr std::int64_t kMostPerRound = 20'000'000;  // ns: a longer round was a held up one
}  // namespace

Metronome::Metronome(std::vector<int> cpus) : cpus_(std::move(cpus)) {
  thread_ = start_thread(
      [](void* self) -> void* {
        static_cast<Metronome*>(self)->run();
        return nullptr;
      },
      this);
}

Metronome::~Metronome() {
  stop_ = true;
  pthread_join(thread_, nullptr);
}

void Metronome::run() {
  while (!stop_) {
    const std::int64_t begun = now_ns();
    for (const int cpu : cpus_) pin_to_cpu(cpu);  // refused while it is offline
    sleep_us(kPause);
    time_ns_ += std::min(now_ns() - begun, kMostPerRound);
    ++rounds_;
  }
}

}  // namespace ktrial::workload
