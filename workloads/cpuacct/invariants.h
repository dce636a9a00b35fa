// What a healthy kernel upholds in its CPU time accounting. Pure: readings in, a
// sentence out that says which number contradicts which; empty if all is well.
//
// Exact ones compare what the kernel adds up from the same increments. The others
// ("near") compare numbers that are taken at slightly different moments or sampled
// by the tick: their tolerances are in ticks and per cent, and on a busy host a
// virtual CPU that is not run for a while can stretch any moment, so a caller
// should believe only a violation that repeats with fresh groups.
#pragma once

#include <string>
#include <vector>

#include "workloads/cpuacct/reading.h"

namespace ktrial::cpuacct {

// Exact. The group's usage, and what the tick charged to it, is the sum of its
// children's (a group without tasks of its own). v2: to a microsecond per child.
std::string check_sum(const Reading& parent, const std::vector<Reading>& children);
// Exact. user + system is usage: v2 to 2 µs, v1's stat to the two ticks that
// rounding down costs. Only of a group at rest. `adjusted`: since 5.17 stat is
// scaled to usage; before it is raw ticks, and not compared.
std::string check_split(const Reading& reading, bool adjusted);
// Exact. The CPUs' parts add up to the whole.
std::string check_percpu(const Reading& reading);
// Exact. No value of `after` is below that of `before`, read earlier by the same reader.
std::string check_monotone(const Reading& before, const Reading& after);
// Exact. Three readings of a group without tasks, well apart. One growth is allowed:
// the end of a task that was reaped before it left its CPU.
std::string check_frozen(const Reading& first, const Reading& second, const Reading& third);

// Near: 2 % of the usage or 5 ticks, and the time that had no tick. The user time of
// the group is that of its children. Each level scales its own ticks to its own usage,
// so they differ when the children lost different parts of their ticks; how much was
// lost, v1 tells. Without v1 nothing is compared.
std::string check_levels(const Reading& parent, const std::vector<Reading>& children);
// Whether that says much: there is v1, and a tenth of the ticks at most was lost.
bool levels_can_be_compared(const Reading& parent, const std::vector<Reading>& children);
// Near: 1 % and a tick. The group's usage is between `least` and `most` (ns), what wait4
// says of its tasks without and with their waking up in it. `many`: tasks that end in
// great number are charged more than wait4 sees, their way out of the CPU; no upper limit.
std::string check_rusage(const Reading& reading, std::uint64_t least, std::uint64_t most,
                         bool many);

// Near: 1 % and a tick. Both hierarchies tell the same usage.
std::string check_twins(const Reading& reading);

struct Machine {             // differences over one stretch of time
  std::uint64_t root_usage;  // ns, cpuacct.usage of the root group
  std::uint64_t proc_stat;   // USER_HZ ticks, all CPUs
  std::uint64_t wall;        // ns
  std::uint64_t cpus;
};
// Near: 1 % and two ticks per CPU. The root group used no more than the CPUs had, by
// the clock; and by /proc/stat where that lost no ticks to the host.
std::string check_machine(const Machine& machine);

}  // namespace ktrial::cpuacct
