#include "harness/autopsy/host_watch.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "harness/base/file.h"

namespace ktrial::autopsy {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxReadings = 600;
constexpr double kExpectedSpacing = 1.0;  // seconds between samples
constexpr int kAskAgain = 10;             // samples without one, after a host that did not tell
constexpr double kClockNoise = 0.05;      // seconds: two clocks are not read at one instant

std::string slurp(const fs::path& path) { return read_file(path, 1 << 16).value_or(""); }

// "CPU 3/TCG" or "CPU 3/KVM", as QEMU names its threads with debug-threads=on.
std::optional<unsigned> vcpu_of(const std::string& comm) {
  unsigned cpu = 0;
  char kind = 0;
  if (std::sscanf(comm.c_str(), "CPU %u/%c", &cpu, &kind) == 2 && (kind == 'T' || kind == 'K'))
    return cpu;
  return std::nullopt;
}

// proc_pid_stat(5). The state follows the parenthesised name, which may itself hold spaces.
char state_of(const fs::path& task) {
  const std::string stat = slurp(task / "stat");
  const auto close = stat.rfind(')');
  return close != stat.npos && close + 2 < stat.size() ? stat[close + 2] : '?';
}

}  // namespace

Clocks read_clocks() {
  auto now = [](clockid_t id) {
    timespec t{};
    ::clock_gettime(id, &t);
    return static_cast<double>(t.tv_sec) + t.tv_nsec / 1e9;
  };
  const double monotonic = now(CLOCK_MONOTONIC);
  return {now(CLOCK_BOOTTIME) - monotonic, now(CLOCK_REALTIME) - monotonic};
}

HostWatch::HostWatch(pid_t process, fs::path proc, std::function<Clocks()> clocks)
    : process_(process), proc_(std::move(proc)), clocks_(std::move(clocks)) {}

HostWatch::Reading HostWatch::read(Clock::time_point now) const {
  Reading out{.at = now, .clocks = clocks_(), .threads = {}};
  const fs::path root = proc_ / std::to_string(process_);
  const char state = state_of(root);
  out.stopped = state == 'T' || state == 't';
  std::error_code error;
  for (const auto& task : fs::directory_iterator(root / "task", error)) {
    const auto cpu = vcpu_of(slurp(task.path() / "comm"));
    const bool main = task.path().filename() == std::to_string(process_);
    if (!cpu && !main) continue;
    unsigned long long ran = 0, waited = 0;
    if (std::sscanf(slurp(task.path() / "schedstat").c_str(), "%llu %llu", &ran, &waited) != 2)
      continue;
    if (cpu)
      out.threads.push_back(
          {*cpu, ran / 1e9, waited / 1e9, waited / 1e9, state_of(task.path()) == 'R'});
    if (main) out.main_waited_s = waited / 1e9;
  }
  std::sscanf(slurp(proc_ / "pressure" / "cpu").c_str(), "some avg10=%lf", &out.pressure);
  return out;
}

// What it does not tell now stands as it was: its counters go on, and tell later.
HostWatch::Reading HostWatch::read_far(Clock::time_point now) {
  Reading out{.at = now, .clocks = clocks_(), .threads = {}};
  if (!readings_.empty()) {
    out.threads = readings_.back().threads;
    out.cpus = readings_.back().cpus;
    out.waits_told = readings_.back().waits_told;
  }
  if (now < ask_next_) return out;
  const auto begun = std::chrono::steady_clock::now();
  const auto told = far_();
  out.asked_s = in_seconds(std::chrono::steady_clock::now() - begun);
  if (!told) {
    silent_ = told.error().message;
    ask_next_ =
        now + kAskAgain * std::chrono::milliseconds(static_cast<int>(1000 * kExpectedSpacing));
    return out;
  }
  out.told = true;
  out.cpus = told->host;
  out.threads.clear();
  for (const vm::FarTimes::Vcpu& vcpu : told->vcpus)
    out.threads.push_back({vcpu.cpu, vcpu.ran_s, vcpu.waited_s.value_or(0), 0, false});
  out.waits_told = !told->vcpus.empty() && std::ranges::all_of(told->vcpus, [](const auto& vcpu) {
    return vcpu.waited_s.has_value();
  });
  return out;
}

void HostWatch::sample(Clock::time_point now) {
  if (process_ == 0 && !far_) return;
  Reading reading = far_ ? read_far(now) : read(now);
  if (!readings_.empty() && !far_) add_waits_under_way(readings_.back(), reading);
  readings_.push_back(std::move(reading));
  if (readings_.size() > kMaxReadings) readings_.pop_front();
}

// A thread that wanted to run at both, and neither ran nor was charged a wait in between, waited
// all the time: one that the host keeps from running for half a minute has no wait that ended.
void HostWatch::add_waits_under_way(const Reading& before, Reading& after) {
  for (Thread& now : after.threads)
    for (const Thread& then : before.threads)
      if (now.cpu == then.cpu && now.wants && then.wants && now.ran_s == then.ran_s &&
          now.ended_waits_s == then.ended_waits_s)
        now.waited_s = then.waited_s + in_seconds(after.at - before.at);
}

HostEvidence HostWatch::since(Clock::time_point from) const {
  HostEvidence out;
  if (readings_.size() < 2) return out;
  auto first = readings_.begin();
  for (auto it = readings_.begin(); it != readings_.end() && it->at <= from; ++it) first = it;
  const Reading& last = readings_.back();
  out.window_s = in_seconds(last.at - first->at);
  for (auto it = first; it != readings_.end(); ++it) {
    out.pressure = std::max(out.pressure, it->pressure);
    if (it == first) continue;
    const Reading& before = *std::prev(it);
    const double gap = in_seconds(it->at - before.at);
    if (before.threads.empty()) out.unborn_s += it->main_waited_s - before.main_waited_s;
    if (it->stopped && before.stopped) out.stopped_s += gap;
    // A second of lateness is ordinary on a loaded host; more means that we were off.
    const double off = gap - before.asked_s;
    if (off > 2 * kExpectedSpacing) out.frozen_s += off - kExpectedSpacing;
    if (double slept = it->clocks.suspended_s - before.clocks.suspended_s; slept > kClockNoise)
      out.suspended_s += slept;
    if (double step = std::abs(it->clocks.wall_s - before.clocks.wall_s -
                               (it->clocks.suspended_s - before.clocks.suspended_s));
        step > kClockNoise)
      out.clock_step_s = std::max(out.clock_step_s, step);
  }
  for (const Thread& end : last.threads) {
    // A thread that began within the window did all that it did in it.
    VcpuUse use{end.cpu, end.ran_s, end.waited_s};
    for (const Thread& begin : first->threads)
      if (begin.cpu == end.cpu)
        use = {end.cpu, end.ran_s - begin.ran_s, end.waited_s - begin.waited_s};
    out.vcpus.push_back(use);
  }
  if (far_) add_far(*first, out);
  return out;
}

void HostWatch::add_far(const Reading& first, HostEvidence& out) const {
  out.far = true;
  const Reading& last = readings_.back();
  const auto told = std::ranges::find_if(readings_.rbegin(), readings_.rend(), &Reading::told);
  const double silent_s = told == readings_.rend() ? out.window_s : in_seconds(last.at - told->at);
  if (told == readings_.rend() || silent_s > out.window_s / 3)
    out.not_told = silent_;
  else if (!last.waits_told)
    out.not_told = "its libvirt does not tell how long vCPUs waited for a CPU";
  if (!first.cpus || !last.cpus) return;
  double own = 0;
  for (const VcpuUse& use : out.vcpus) own += use.ran_s;
  const double busy = last.cpus->busy_s - first.cpus->busy_s;
  const double all = busy + last.cpus->idle_s - first.cpus->idle_s;
  if (all > 0) out.others = std::clamp((busy - own) / all, 0.0, 1.0);
}

double HostWatch::lost_s(Clock::time_point from, int cpu) const {
  const HostEvidence evidence = since(from);
  double waited = 0;
  for (const VcpuUse& use : evidence.vcpus)
    if (cpu < 0 || use.cpu == static_cast<unsigned>(cpu)) waited = std::max(waited, use.waited_s);
  return evidence.stopped_s + evidence.frozen_s + evidence.unborn_s + waited;
}

void HostWatch::compare(const Reading& before, const Reading& after,
                        std::vector<HostTrouble>& out) {
  constexpr double kMuch = .1;  // of the time: less is any host's noise
  const double gap = in_seconds(after.at - before.at);
  const auto add = [&](int cpu, std::string what) {
    out.push_back({before.at, after.at, cpu, std::move(what)});
  };
  if (before.stopped && after.stopped) add(-1, "QEMU was stopped");
  if (gap - before.asked_s > 2 * kExpectedSpacing)
    add(-1, fmt::format("ktrial itself was held up for {:.1f} s",
                        gap - before.asked_s - kExpectedSpacing));
  if (const double slept = after.clocks.suspended_s - before.clocks.suspended_s;
      slept > kClockNoise)
    add(-1, fmt::format("the host was suspended for {:.1f} s", slept));
  for (const Thread& end : after.threads)
    for (const Thread& begin : before.threads)
      if (const double waited = end.waited_s - begin.waited_s;
          begin.cpu == end.cpu && waited > kMuch * gap)
        add(static_cast<int>(end.cpu),
            fmt::format("waited {:.2f} of {:.2f} s for a host CPU", waited, gap));
}

std::vector<HostTrouble> HostWatch::troubles() const {
  constexpr std::size_t kMost = 4096;
  std::vector<HostTrouble> out;
  for (std::size_t i = 1; i < readings_.size(); ++i) compare(readings_[i - 1], readings_[i], out);
  if (out.size() > kMost) out.erase(out.begin(), out.end() - kMost);
  return out;
}

std::string host_explains(const HostEvidence& evidence, int cpu, double share) {
  if (evidence.window_s <= 0) return "";
  // A third of the window lost is more than any healthy trial shows, and a
  // kernel that stalls by itself keeps its vCPUs running or idle, not waiting.
  const double much = evidence.window_s / 3;
  if (evidence.stopped_s > much)
    return fmt::format("host stopped QEMU for {:.0f} s", evidence.stopped_s);
  if (evidence.suspended_s > 1)
    return fmt::format("host was suspended for {:.0f} s", evidence.suspended_s);
  if (evidence.frozen_s > much)
    return fmt::format("host froze ktrial itself for {:.0f} s (suspended or stopped)",
                       evidence.frozen_s);
  if (evidence.unborn_s > 2 * much)
    return fmt::format("host starved QEMU for {:.0f} s of {:.0f} s, before it had a vCPU",
                       evidence.unborn_s, evidence.window_s);
  // Less than what the vCPUs themselves waited for tells, but enough not to blame a kernel.
  if (!evidence.not_told.empty() && evidence.others > share)
    return fmt::format("others had {:.0f} % of the CPU time of the host that runs it",
                       100 * evidence.others);
  for (const VcpuUse& use : evidence.vcpus) {
    if (cpu >= 0 && use.cpu != static_cast<unsigned>(cpu)) continue;
    if (use.waited_s > share * evidence.window_s)
      return fmt::format("host starved vCPU {} for {:.0f} s: it ran {:.1f} s of {:.0f} s", use.cpu,
                         use.waited_s, use.ran_s, evidence.window_s);
  }
  return "";
}

double contention(const HostEvidence& evidence) {
  double ran = 0, waited = 0;
  for (const VcpuUse& use : evidence.vcpus) {
    ran += use.ran_s;
    waited += use.waited_s;
  }
  return ran > 0 ? (ran + waited) / ran : 1;
}

}  // namespace ktrial::autopsy
