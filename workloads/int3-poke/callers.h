// The storm: threads that call what is being patched, and check every result.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "workloads/common/threads.h"

namespace ktrial::workload {

// A system call that nobody else in the guest makes, which is why it can be counted.
inline constexpr char kCountedSymbol[] = "__x64_sys_sched_get_priority_max";
// What else they call; each is an entry worth patching.
inline constexpr const char* kHotSymbols[] = {"__x64_sys_getppid",       "__x64_sys_sched_yield",
                                              "__x64_sys_clock_gettime", "__x64_sys_futex",
                                              "__x64_sys_vfork",         "kernel_clone"};

class Callers {
 public:
  // `per_cpu` threads on each, moved back when their CPU went and came back.
  Callers(const std::vector<int>& cpus, std::int64_t per_cpu);
  ~Callers();
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

  // Between the two the counted call is made, and not at any other time.
  void open_window();
  // Returns once no thread is in the counted call: how often it was made since.
  std::uint64_t close_window();
  std::uint64_t calls() const;  // of all kinds, so far

 private:
  struct Caller {
    Callers* owner = nullptr;
    int cpu = 0;
    pthread_t thread{};
    std::atomic<std::uint64_t> seen{0};  // the last window state that it acted upon
    std::atomic<std::uint64_t> counted{0}, calls{0};
    std::uint32_t futex_word = 0;
    std::int64_t last_ns = 0;
  };
  static void* run(void* caller);
  void storm(Caller& caller);
  void call_all(Caller& caller) const;

  std::unique_ptr<Caller[]> callers_;
  std::size_t count_ = 0;
  std::atomic<std::uint64_t> window_{0};  // odd: open
  std::atomic<bool> stop_{false};
  std::uint64_t counted_before_ = 0;
  pid_t parent_;
};

}  // namespace ktrial::workload
