// The kernel patches its own text, again and again, while every CPU runs through
// the places that are patched.
//
// On x86 a live instruction is replaced in steps: a breakpoint (int3) first, then
// the rest, then the first byte, with an interrupt to all CPUs in between. A CPU
// that meets the breakpoint must behave as the old or the new instruction would;
// for a call that means to push a return address from within an exception, for
// which Linux 5.2 made room on the stack (int3_emulate_call). Function tracer,
// probes, static keys and static calls all come this way. What must hold: no call
// returns anything else, no call is lost or counted twice by a probe that is
// enabled throughout, no switch lasts, and in the end all is as it was.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/hotplug.h"
#include "workloads/common/metronome.h"
#include "workloads/common/progress.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"
#include "workloads/int3-poke/callers.h"
#include "workloads/int3-poke/emulator.h"
#include "workloads/int3-poke/togglers.h"
#include "workloads/int3-poke/tracing.h"

using namespace ktrial::workload;

namespace {

constexpr double kDefaultDuration = 10;

std::int64_t per_cpu = 1;
std::int64_t toggle_s = 60;
std::int64_t pause_ms = 10;
std::int64_t window_ms = 300;
std::int64_t hotplug_ms = 2000;
std::int64_t seed = 1;
bool trust_emulator = false;
std::string plant = "none";

// SIGTERM and SIGINT end the run as its duration does: with everything put back.
volatile std::sig_atomic_t told_to_end = 0;

using Togglers = std::vector<std::unique_ptr<Toggler>>;

class Supervisor {
 public:
  explicit Supervisor(const Togglers& togglers) : togglers_(togglers), progress_("switches") {
    progress_.report(0, 0);
  }

  // Shows progress; exits with kBroken if a step lasts.
  void look() {
    std::uint64_t steps = 0;
    for (const auto& toggler : togglers_) {
      steps += toggler->steps();
      if (const double lasted = toggler->in_step(); lasted > static_cast<double>(toggle_s))
        broken("%s: a switch has not ended after %.0f s in which all CPUs ran",
               toggler->name().c_str(), lasted);
    }
    if (steps != shown_) progress_.tick(steps, 0);
    shown_ = steps;
  }

 private:
  const Togglers& togglers_;
  Progress progress_;
  std::uint64_t shown_ = 0;
};

// All at work until the time is over; then each ends its cycle.
std::vector<Ledger> run_togglers(const Togglers& togglers, double duration_s) {
  Supervisor supervisor(togglers);
  const Deadline deadline(duration_s);
  for (const auto& toggler : togglers) toggler->start();
  while (!deadline.passed() && !told_to_end) {
    supervisor.look();
    sleep_us(20'000);
  }
  for (const auto& toggler : togglers) toggler->stop();
  std::vector<Ledger> ledgers;
  for (const auto& toggler : togglers) {
    while (!toggler->ended()) {
      supervisor.look();
      sleep_us(5'000);
    }
    toggler->join();
    ledgers.push_back(toggler->ledger());
  }
  return ledgers;
}

void require_none(const std::vector<std::string>& wrong) {
  for (const std::string& sentence : wrong) std::printf("%s\n", sentence.c_str());
  if (!wrong.empty()) broken("%s", wrong.front().c_str());
}

struct Sum {
  std::vector<Ledger> ledgers;
  std::uint64_t calls = 0, cycles = 0;
};

// The storm and all that is switched under it; nothing is at work any more when
// it returns.
Sum run_storm_and_togglers(const Tracing& tracing, const Metronome& metronome,
                           const std::vector<int>& cpus, double duration_s) {
  Callers callers(cpus, per_cpu);
  const Togglers togglers = make_togglers(
      {metronome, tracing, callers, pause_ms, window_ms, static_cast<std::uint64_t>(seed), plant});
  Hotplug hotplug(hotplug_ms, static_cast<std::uint64_t>(seed));
  Sum sum;
  sum.ledgers = run_togglers(togglers, duration_s);
  hotplug.stop();
  sum.calls = callers.calls();
  sum.cycles = hotplug.cycles();
  return sum;
}

void report(const Sum& sum, const Times& times, std::size_t cpus) {
  std::printf(
      "int3-poke: %llu calls on %zu CPUs, %zu switches (99 of 100 within %.2f s, the longest "
      "%.2f s), %llu times a CPU went and came back; enabled and disabled:",
      static_cast<unsigned long long>(sum.calls), cpus, times.count, times.p99, times.longest,
      static_cast<unsigned long long>(sum.cycles));
  for (const Ledger& ledger : sum.ledgers) {
    const double seconds = std::accumulate(ledger.seconds.begin(), ledger.seconds.end(), 0.0);
    std::printf(" %s %llu (%.1f s),", ledger.name.c_str(),
                static_cast<unsigned long long>(ledger.enabled), seconds);
  }
  std::printf(" and nothing is left\n");
}

void run(double duration_s) {
  const std::vector<int> cpus = allowed_cpus();
  if (!trust_emulator && may_run_old_code())
    cannot_run(
        "under TCG with a thread per vCPU, patched code may go on in its old form: KVM is "
        "needed, or -accel tcg,thread=single and ktrial.tcg=single on the command line");
  const Metronome metronome(cpus);
  const Tracing tracing;
  const State before = tracing.state(), off = tracing.instance_state();
  const Sum sum = run_storm_and_togglers(tracing, metronome, cpus, duration_s);
  require_none(check_ledgers(sum.ledgers));
  require_none(check_state(off, tracing.instance_state()));
  if (const int error = tracing.remove_instance())
    broken("the tracing instance is still in use: %s", std::strerror(error));
  require_none(check_state(before, tracing.state()));
  const Times times = times_of(sum.ledgers);
  if (const std::string slow = check_times(times, static_cast<double>(toggle_s)); !slow.empty())
    broken("%s", slow.c_str());
  report(sum, times, cpus.size());
}

}  // namespace

int main(int argc, char** argv) {
  const double duration_s = parse_arguments(
      argc, argv,
      {{"callers", Integer{&per_cpu, 1, 16}},
       {"hotplug_ms", Integer{&hotplug_ms, -1, 100'000}},
       {"pause_ms", Integer{&pause_ms, 0, 5'000}},
       {"window_ms", Integer{&window_ms, 1, 5'000}},
       {"toggle_s", Integer{&toggle_s, 1, 600}},
       {"seed", Integer{&seed, 0, 1'000'000'000}},
       {"trust_emulator", Boolean{&trust_emulator}},
       {"plant", Choice{&plant, {"none", "leave_probe", "leave_enabled", "miscount"}}}});
  require_trial_guest();
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { told_to_end = 1; });
  run(duration_s > 0 ? duration_s : kDefaultDuration);
  return kHealthy;
}
