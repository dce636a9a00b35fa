// What the kernel says of the CPU time of one control group, in both hierarchies:
// cgroup v1 cpuacct.* (Documentation/admin-guide/cgroup-v1/cpuacct.rst) and
// cgroup v2 cpu.stat (Documentation/admin-guide/cgroup-v2.rst). The text comes
// from the kernel on trial: what is not in the documented form is no reading.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::cpuacct {

inline constexpr std::uint64_t kUserTick = 10'000'000;  // ns; USER_HZ is 100 on x86

struct V1 {
  std::uint64_t usage = 0;                       // ns, by the scheduler's clock: exact
  std::uint64_t usage_user = 0, usage_sys = 0;   // ns, by the tick: sampled
  std::vector<std::uint64_t> percpu;             // ns, of `usage`
  std::vector<std::uint64_t> all_user, all_sys;  // ns, by CPU, of usage_user and usage_sys
  std::uint64_t stat_user = 0, stat_system = 0;  // USER_HZ ticks
  bool operator==(const V1&) const = default;
};
struct V2 {
  std::uint64_t usage = 0, user = 0, system = 0;  // µs
  bool operator==(const V2&) const = default;
};
struct Reading {
  std::optional<V1> v1;  // none: the kernel has no cpuacct controller
  V2 v2;
  bool operator==(const Reading&) const = default;
};

// One decimal number and a newline.
std::optional<std::uint64_t> parse_number(std::string_view text);
// cpuacct.usage_percpu: numbers, each with a space after it, in one line. At most 65536.
std::optional<std::vector<std::uint64_t>> parse_percpu(std::string_view text);
// cpuacct.usage_all: "cpu user system", then a line for each CPU, from 0 on.
bool parse_all(std::string_view text, V1& into);
// Lines "KEY VALUE": the value of `key`, if there is exactly one such line.
std::optional<std::uint64_t> parse_key(std::string_view text, std::string_view key);
// cpu.stat.
std::optional<V2> parse_cpu_stat(std::string_view text);
// The first line of /proc/stat: the sum of user, nice, system, idle, iowait, irq,
// softirq and steal (guest time is part of user), in USER_HZ ticks.
std::optional<std::uint64_t> parse_proc_stat(std::string_view text);

}  // namespace ktrial::cpuacct
