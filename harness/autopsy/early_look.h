// Whether a vCPU whose beat is late is proven to be stuck, long before its silence would tell.
//
// A look is cheap: the machine is paused, the registers are read, it goes on. The rule, for one
// vCPU: at every one of several looks, spread over seconds, it was in the same kernel function,
// with interrupts off, and waited for nobody; it never beat meanwhile; and the host let it run for
// seconds of its own. A kernel that is well does not do that: with interrupts off for so long, its
// own watchdogs would speak. Whatever moves, waits, idles or starves proves nothing here, and has
// the long limits of silence. What may be slow by nature is waiting here, too: a console that is
// written to, a delay loop, CPUs that are held together (stop_machine).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "harness/autopsy/examine.h"
#include "harness/spec/timeouts.h"

namespace ktrial::autopsy {

class EarlyLook {
 public:
  explicit EarlyLook(const spec::EarlyLook& limits) : limits_(limits) {}

  // What one look showed, at `now`; `last_beat` of each CPU. `used`: what a vCPU had of the host
  // since a moment. True: one is proven.
  bool add(Clock::time_point now, std::map<unsigned, Look> seen,
           const std::map<unsigned, Clock::time_point>& last_beat,
           const std::function<std::optional<VcpuUse>(unsigned, Clock::time_point)>& used);
  std::optional<unsigned> proven() const { return proven_; }
  // The looks that prove it, for an autopsy to go on from; none, as long as none is proven.
  LooksSoFar evidence() const;

 private:
  struct Seen {
    Clock::time_point at;
    std::map<unsigned, Look> looks;
  };
  bool is_proven(unsigned cpu, const std::map<unsigned, Clock::time_point>& last_beat,
                 const std::function<std::optional<VcpuUse>(unsigned, Clock::time_point)>& used);

  spec::EarlyLook limits_;
  std::vector<Seen> seen_;  // bounded
  std::size_t begin_ = 0;   // of the looks that prove it
  std::optional<unsigned> proven_;
};

// One look at a machine that runs, paused for a moment. Nothing: it could not be taken.
std::optional<std::map<unsigned, Look>> look_once(vm::Vm& vm, Inspector* inspector,
                                                  std::chrono::milliseconds patience);

}  // namespace ktrial::autopsy
