#include "workloads/int3-poke/togglers.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstring>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/system.h"

namespace ktrial::workload {

Toggler::Toggler(std::string name, const Metronome& clock, std::int64_t pause_ms,
                 std::uint64_t seed)
    : clock_(clock), pause_ms_(pause_ms), random_(seed * 2 + 1) {
  ledger_.name = std::move(name);
}

void Toggler::start() { thread_ = start_thread(run, this); }

void* Toggler::run(void* self) {
  auto& toggler = *static_cast<Toggler*>(self);
  // Of this thread only; else it waits behind the callers for each of many locks.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), -15);
  while (!toggler.stop_) {
    toggler.cycle();
    ++toggler.cycles_;
    toggler.pause();
  }
  toggler.ended_ = true;
  return nullptr;
}

double Toggler::in_step() const {
  const double began = began_;
  return began < 0 ? 0 : clock_.seconds() - began;
}

void Toggler::step(const char* what, const std::string& of, const std::function<int()>& body) {
  const double began = clock_.seconds();
  began_ = began;
  const int error = body();
  began_ = -1;
  ledger_.seconds.push_back(clock_.seconds() - began);
  ++steps_;
  if (error != 0)
    broken("%s: cannot %s %s: %s", name().c_str(), what, of.c_str(), std::strerror(error));
}

void Toggler::pause() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  sleep_us(static_cast<std::int64_t>(random_ % static_cast<std::uint64_t>(pause_ms_ * 1000 + 1)));
}

namespace {

// A file that takes one word for on and one for off.
class FileToggler : public Toggler {
 public:
  FileToggler(const char* name, const TogglerSetup& setup, std::string file, std::string on,
              std::string off)
      : Toggler(name, setup.clock, setup.pause_ms, setup.seed),
        file_(std::move(file)),
        on_(std::move(on)),
        off_(std::move(off)),
        forget_off_(setup.plant == "leave_enabled") {}

 private:
  void cycle() override {
    step("enable", file_, [&] { return write_file(file_, on_); });
    enabled();
    pause();
    if (forget_off_) return;
    step("disable", file_, [&] { return write_file(file_, off_); });
    disabled();
  }

  std::string file_, on_, off_;
  bool forget_off_;
};

// Probes on hot functions, one after the other: added, enabled, disabled, removed.
class ProbeToggler : public Toggler {
 public:
  ProbeToggler(const TogglerSetup& setup, std::vector<Probe> probes)
      : Toggler("probes", setup.clock, setup.pause_ms, setup.seed),
        tracing_(setup.tracing),
        probes_(std::move(probes)),
        leave_first_(setup.plant == "leave_probe") {}

 private:
  void cycle() override {
    const Probe& probe = probes_[next_++ % probes_.size()];
    step("add", probe.place, [&] { return tracing_.add(probe); });
    step("enable", probe.place, [&] { return tracing_.enable(probe, true); });
    enabled();
    pause();
    step("disable", probe.place, [&] { return tracing_.enable(probe, false); });
    disabled();
    if (leave_first_ && first_cycle()) {
      probes_.front().name += "_again";
      return;
    }
    step("remove", probe.place, [&] { return tracing_.remove(probe); });
  }

  const Tracing& tracing_;
  std::vector<Probe> probes_;
  std::size_t next_ = 0;
  bool leave_first_;
};

// Probes on a function that only our callers call, enabled for a window in which
// each call must be counted by each of them.
class Counter : public Toggler {
 public:
  Counter(const TogglerSetup& setup, std::vector<Probe> probes)
      : Toggler("counting", setup.clock, setup.pause_ms, setup.seed),
        tracing_(setup.tracing),
        callers_(setup.callers),
        window_ms_(setup.window_ms),
        extra_(setup.plant == "miscount" ? 1 : 0),
        probes_(std::move(probes)) {}

 private:
  void cycle() override {
    std::vector<ProbeCount> before;
    for (const Probe& probe : probes_) {
      step("add", probe.place, [&] { return tracing_.add(probe); });
      step("enable", probe.place, [&] { return tracing_.enable(probe, true); });
      enabled();
    }
    for (const Probe& probe : probes_) before.push_back(tracing_.count(probe));
    callers_.open_window();
    sleep_us(window_ms_ * 1000);
    std::uint64_t calls = extra_;
    step("leave", "the counted call", [&] {
      calls += callers_.close_window();
      return 0;
    });
    for (std::size_t i = 0; i < probes_.size(); ++i) {
      const std::string wrong = check_count(probes_[i].kind + " " + probes_[i].place, calls,
                                            before[i], tracing_.count(probes_[i]));
      if (!wrong.empty()) broken("%s", wrong.c_str());
    }
    for (const Probe& probe : probes_) {
      step("disable", probe.place, [&] { return tracing_.enable(probe, false); });
      disabled();
      step("remove", probe.place, [&] { return tracing_.remove(probe); });
    }
  }

  const Tracing& tracing_;
  Callers& callers_;
  std::int64_t window_ms_;
  std::uint64_t extra_;
  std::vector<Probe> probes_;
};

// At its entry (by way of the function tracer), at its return, and by a breakpoint.
std::vector<Probe> probes_on(const Tracing& tracing, const std::string& symbol,
                             const std::string& prefix) {
  std::vector<Probe> probes;
  const Probe entry{prefix + "_entry", "p", symbol};
  if (tracing.add(entry) != 0) return probes;
  if (const int error = tracing.remove(entry))
    broken("a probe on %s was added but not removed: %s", symbol.c_str(), std::strerror(error));
  probes.push_back(entry);
  probes.push_back({prefix + "_return", "r64", symbol});
  if (const auto place = tracing.breakpoint_place(symbol))
    probes.push_back({prefix + "_int3", "p", *place});
  return probes;
}

// Files with one word for on and one for off, those of them that are there. What
// is cheap, or holds a lock of the others for long, pauses longer: else the others
// would hardly have a turn.
void add_files(std::vector<std::unique_ptr<Toggler>>& togglers, const TogglerSetup& setup) {
  const auto add = [&](const char* name, const std::string& file, const char* on, const char* off,
                       int pauses) {
    if (access(file.c_str(), W_OK) != 0) return;
    TogglerSetup own = setup;
    own.seed += togglers.size();
    own.pause_ms *= pauses;
    togglers.push_back(std::make_unique<FileToggler>(name, own, file, on, off));
  };
  add("function tracer", setup.tracing.path("current_tracer"), "function", "nop", 80);
  // Single events: a whole group is dozens of patches under one lock.
  for (const char* event : {"raw_syscalls/sys_enter", "sched/sched_switch", "sched/sched_wakeup"})
    add(event, setup.tracing.path(std::string("events/") + event + "/enable"), "1", "0", 20);
  for (const auto& [name, file] : {std::pair{"schedstats", "/proc/sys/kernel/sched_schedstats"},
                                   {"optimization", "/proc/sys/debug/kprobes-optimization"}}) {
    // The way it was comes last.
    const bool on = read_file(file).value_or("0").starts_with('1');
    add(name, file, on ? "0" : "1", on ? "1" : "0", 20);
  }
}

}  // namespace

std::vector<std::unique_ptr<Toggler>> make_togglers(const TogglerSetup& setup) {
  std::vector<std::string> symbols(std::begin(kHotSymbols), std::end(kHotSymbols));
  std::vector<Probe> hot;
  for (std::size_t i = 0; i < symbols.size(); ++i)
    for (Probe& probe : probes_on(setup.tracing, symbols[i], "hot" + std::to_string(i)))
      hot.push_back(std::move(probe));
  std::vector<Probe> counted = probes_on(setup.tracing, kCountedSymbol, "counted");
  if (hot.empty() || counted.empty())
    cannot_run("the kernel takes no probe on %s",
               hot.empty() ? symbols[0].c_str() : kCountedSymbol);
  symbols.push_back(kCountedSymbol);
  if (setup.tracing.trace_only(symbols) == 0)
    cannot_run("the function tracer knows none of %s, ...", symbols[0].c_str());

  std::vector<std::unique_ptr<Toggler>> togglers;
  add_files(togglers, setup);
  togglers.push_back(std::make_unique<ProbeToggler>(setup, std::move(hot)));
  togglers.push_back(std::make_unique<Counter>(setup, std::move(counted)));
  return togglers;
}

}  // namespace ktrial::workload
