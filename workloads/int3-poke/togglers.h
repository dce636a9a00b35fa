// Threads that switch parts of the kernel on and off. Each switch is a step with
// a name; whoever supervises them sees how long the one at hand has lasted.
#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "workloads/common/metronome.h"
#include "workloads/int3-poke/callers.h"
#include "workloads/int3-poke/tracing.h"

namespace ktrial::workload {

class Toggler {
 public:
  Toggler(std::string name, const Metronome& clock, std::int64_t pause_ms, std::uint64_t seed);
  virtual ~Toggler() = default;
  Toggler(const Toggler&) = delete;
  Toggler& operator=(const Toggler&) = delete;

  void start();
  void stop() { stop_ = true; }          // after the cycle at hand
  bool ended() const { return ended_; }  // then `join`
  void join() { pthread_join(thread_, nullptr); }

  const std::string& name() const { return ledger_.name; }
  std::uint64_t steps() const { return steps_; }
  // Seconds of the clock since the step at hand began; 0: none is at hand.
  double in_step() const;
  const Ledger& ledger() const { return ledger_; }  // once it is joined

 protected:
  virtual void cycle() = 0;  // on and off; leaves it off
  // Runs it, and exits with kBroken if it does not return 0.
  void step(const char* what, const std::string& of, const std::function<int()>& body);
  void enabled() { ++ledger_.enabled; }
  void disabled() { ++ledger_.disabled; }
  // At random, at most `pause_ms`.
  void pause();
  bool first_cycle() const { return cycles_ == 0; }

 private:
  static void* run(void* self);

  Ledger ledger_;
  const Metronome& clock_;
  std::int64_t pause_ms_;
  std::uint64_t random_;
  std::uint64_t cycles_ = 0;
  std::atomic<std::uint64_t> steps_{0};
  std::atomic<double> began_{-1};
  std::atomic<bool> stop_{false}, ended_{false};
  pthread_t thread_{};
};

struct TogglerSetup {
  const Metronome& clock;
  const Tracing& tracing;
  Callers& callers;
  std::int64_t pause_ms;
  std::int64_t window_ms;  // of counting
  std::uint64_t seed;
  std::string plant;  // see workload.toml
};
// All that this kernel has, not started: the function tracer, events, probes,
// sysctls, and the counting of calls by probes.
std::vector<std::unique_ptr<Toggler>> make_togglers(const TogglerSetup& setup);

}  // namespace ktrial::workload
