// Signs of life, one thread a CPU.
//
// The threads run as SCHED_OTHER, nice -20, and not as real-time: a beat must
// show that the CPU still schedules normal tasks, not merely that it ticks.
// What a beat may wait for is kept small, because anything shared with a CPU
// that wedged would silence the CPUs that are well: no allocation, no lock of
// ours, and one send of one frame that never blocks (a host that does not read
// costs beats, not threads).
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "guest/wire/wire.h"

namespace ktrial::init {

class Beats {
 public:
  explicit Beats(std::uint64_t period_ns) : period_ns_(period_ns) {}
  ~Beats();  // joins: takes up to one period
  Beats(const Beats&) = delete;
  Beats& operator=(const Beats&) = delete;

  // Starts a thread for each online CPU that has none yet; its first beat comes
  // at once, or when the stream is there. A CPU that goes offline stops beating: the kernel then
  // moves its thread elsewhere, which the thread sees; it beats again when it is back.
  void cover_online_cpus();
  // Once. `fd`: the beat stream, borrowed, non-blocking.
  void begin(int fd);

 private:
  struct Thread {
    Beats* owner;
    std::uint32_t cpu;
    pthread_t handle;
  };
  struct Frame {
    std::array<char, wire::kBeatFrame> bytes = {};
    std::size_t unsent = 0;  // bytes at its end
  };
  static void* run(void* thread);
  void beat_for(std::uint32_t cpu);
  void send_some(Frame& frame);

  static constexpr int kNone = -1;
  const std::uint64_t period_ns_;
  std::atomic<int> fd_ = kNone;
  bool is_socket_ = false;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> torn_ = false;  // some thread has part of a frame still to send
  std::vector<Thread*> threads_;
};

}  // namespace ktrial::init
