// What the host did to a VM: the evidence that tells a stalled kernel from a
// starved one. Sources: /proc/PID/task/TID/{comm,schedstat,stat} (proc(5);
// schedstat is "ns on CPU, ns waiting on a run queue, slices"), /proc/pressure/cpu,
// CLOCK_BOOTTIME against CLOCK_MONOTONIC (they part only while the host is suspended),
// CLOCK_REALTIME against CLOCK_MONOTONIC (somebody set the clock). Of a machine on another host
// what that host tells (vm::FarHost) stands for /proc.
#pragma once

#include <sys/types.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "harness/base/clock.h"
#include "harness/vm/vm.h"

namespace ktrial::autopsy {

// One vCPU thread over a window, seconds.
struct VcpuUse {
  unsigned cpu = 0;
  double ran_s = 0;     // had a host CPU
  double waited_s = 0;  // runnable, but the host ran something else
};

struct HostEvidence {
  double window_s = 0;
  double stopped_s = 0;     // QEMU was in state T: SIGSTOP, a debugger
  double frozen_s = 0;      // we ourselves did not run: host suspend, SIGSTOP of us
  double suspended_s = 0;   // the host slept
  double unborn_s = 0;      // QEMU waited for a host CPU before it had any vCPU
  double clock_step_s = 0;  // largest step of the host's wall clock, either way
  double pressure = 0;      // highest PSI "some avg10" of the CPU, percent
  std::vector<VcpuUse> vcpus;
  // Of a machine on another host. The share of the time of all its CPUs that went to others; below
  // 0: not known.
  bool far = false;
  double others = -1;
  std::string not_told = {};  // why it is not known what the vCPUs waited for; empty: it is
};

// What the host did amiss between two samples.
struct HostTrouble {
  Clock::time_point from, to;
  int cpu = -1;  // the vCPU; -1: the whole guest
  std::string what;
};

// The host's clocks, seconds; what they do against each other is evidence.
struct Clocks {
  double suspended_s = 0;  // CLOCK_BOOTTIME - CLOCK_MONOTONIC
  double wall_s = 0;       // CLOCK_REALTIME - CLOCK_MONOTONIC
};
Clocks read_clocks();

class HostWatch {
 public:
  // `process` is QEMU; 0 (not local) yields empty evidence. `proc` is for tests.
  explicit HostWatch(pid_t process, std::filesystem::path proc = "/proc",
                     std::function<Clocks()> clocks = read_clocks);
  // The machine runs on another host, of which this is asked; waits at most a moment.
  void ask(std::function<Result<vm::FarTimes>()> far) { far_ = std::move(far); }
  // Call about once a second; the spacing itself is evidence.
  void sample(Clock::time_point now);
  // From the last sample at or before `from` to the last sample.
  HostEvidence since(Clock::time_point from) const;
  // What the samples show, by time: a vCPU that waited for a host CPU for at least a tenth of
  // the time between two of them, QEMU stopped, ktrial itself held up, the host suspended.
  std::vector<HostTrouble> troubles() const;
  // Seconds since `from` in which the host kept `cpu` (-1: the worst-off vCPU) from running
  // although it wanted to: time that no limit on the guest should count.
  double lost_s(Clock::time_point from, int cpu = -1) const;

 private:
  struct Thread {
    unsigned cpu = 0;
    double ran_s = 0, waited_s = 0;
    // The kernel adds a wait when it ends (schedstat's run_delay): `waited_s` has the one under
    // way as well, `ended_waits_s` has not.
    double ended_waits_s = 0;
    bool wants = false;  // runnable
  };
  struct Reading {
    Clock::time_point at;
    bool stopped = false;
    double pressure = 0;
    Clocks clocks;
    double main_waited_s = 0;  // QEMU's main thread
    std::vector<Thread> threads;
    // Of another host: whether it told, how long that took, and what all its CPUs did.
    bool told = false, waits_told = false;
    double asked_s = 0;
    std::optional<vm::FarTimes::Cpus> cpus = {};
  };
  Reading read(Clock::time_point now) const;
  Reading read_far(Clock::time_point now);
  void add_far(const Reading& first, HostEvidence& out) const;
  static void add_waits_under_way(const Reading& before, Reading& after);
  static void compare(const Reading& before, const Reading& after, std::vector<HostTrouble>& out);

  pid_t process_;
  std::filesystem::path proc_;
  std::function<Clocks()> clocks_;
  std::function<Result<vm::FarTimes>()> far_;
  std::string silent_;            // why the other host did not tell, last time
  Clock::time_point ask_next_{};  // not before
  std::deque<Reading> readings_;  // bounded: ten minutes
};

// Says how the host explains that `cpu` (-1: the whole guest) made no progress
// in the window, e.g. "host starved vCPU 1: it ran 0.3 s and waited 20.6 s of
// 21 s". Empty: the host gave it time, the guest is to blame.
// `share`: of the window, what a vCPU has to have waited.
inline constexpr double kStarvingShare = 2.0 / 3, kStarvingShareAtBoot = 1.0 / 3;
std::string host_explains(const HostEvidence& evidence, int cpu = -1,
                          double share = kStarvingShare);
// How many times slower the vCPUs went than on a host of their own: time wanted over
// time given, over all of them; 1 when nothing is known.
double contention(const HostEvidence& evidence);

}  // namespace ktrial::autopsy
