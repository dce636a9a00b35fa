#include "workloads/cpuacct/invariants.h"

#include <algorithm>
#include <numeric>

#include "workloads/common/say.h"

namespace ktrial::cpuacct {
namespace {

using workload::say;
using u64 = std::uint64_t;
using ull = unsigned long long;

u64 distance(u64 a, u64 b) { return a > b ? a - b : b - a; }

template <typename Get>
u64 total(const std::vector<Reading>& all, Get get) {
  u64 sum = 0;
  for (const Reading& one : all) sum += get(one);
  return sum;
}

u64 sum_of(const std::vector<u64>& values) {
  return std::accumulate(values.begin(), values.end(), u64{0});
}

struct Named {
  const char* name;
  u64 value;
};
std::vector<Named> values_of(const Reading& r) {
  std::vector<Named> out = {{"cpu.stat usage_usec", r.v2.usage},
                            {"cpu.stat user_usec", r.v2.user},
                            {"cpu.stat system_usec", r.v2.system}};
  if (!r.v1) return out;
  out.insert(out.end(), {{"cpuacct.usage", r.v1->usage},
                         {"cpuacct.usage_user", r.v1->usage_user},
                         {"cpuacct.usage_sys", r.v1->usage_sys},
                         {"cpuacct.stat user", r.v1->stat_user},
                         {"cpuacct.stat system", r.v1->stat_system}});
  for (const u64 value : r.v1->percpu) out.push_back({"a CPU in cpuacct.usage_percpu", value});
  for (const u64 value : r.v1->all_user) out.push_back({"a CPU's user in usage_all", value});
  for (const u64 value : r.v1->all_sys) out.push_back({"a CPU's system in usage_all", value});
  return out;
}

// Ticks are charged when they arrive, and a virtual CPU that is not run misses some:
// then cputime_adjust() (kernel/sched/cputime.c) scales what came to the usage.
double lost_ns(const V1& v1) {
  return static_cast<double>(distance(v1.usage, v1.usage_user + v1.usage_sys));
}

// What scaling can move at either level.
double untold_ns(const Reading& parent, const std::vector<Reading>& children) {
  double below = 0;
  for (const Reading& child : children) below += child.v1 ? lost_ns(*child.v1) : 0;
  return std::max(below, lost_ns(*parent.v1));
}

}  // namespace

bool levels_can_be_compared(const Reading& parent, const std::vector<Reading>& children) {
  return parent.v1 && untold_ns(parent, children) <= 0.1 * static_cast<double>(parent.v1->usage);
}

std::string check_sum(const Reading& parent, const std::vector<Reading>& children) {
  const u64 v2 = total(children, [](const Reading& r) { return r.v2.usage; });
  if (distance(parent.v2.usage, v2) > children.size() + 1)
    return say("sum: cpu.stat usage_usec is %llu, that of its %zu children together %llu",
               ull(parent.v2.usage), children.size(), ull(v2));
  if (!parent.v1) return "";
  const std::pair<const char*, u64 V1::*> kExact[] = {
      {"usage", &V1::usage}, {"usage_user", &V1::usage_user}, {"usage_sys", &V1::usage_sys}};
  for (const auto& [name, member] : kExact) {
    const u64 sum = total(children, [&](const Reading& r) { return r.v1 ? *r.v1.*member : 0; });
    if (*parent.v1.*member != sum)
      return say("sum: cpuacct.%s is %llu, that of its %zu children together %llu", name,
                 ull(*parent.v1.*member), children.size(), ull(sum));
  }
  return "";
}

std::string check_split(const Reading& reading, bool adjusted) {
  if (distance(reading.v2.user + reading.v2.system, reading.v2.usage) > 2)
    return say("split: cpu.stat user %llu + system %llu is not usage %llu (us)",
               ull(reading.v2.user), ull(reading.v2.system), ull(reading.v2.usage));
  if (!reading.v1 || !adjusted) return "";
  const u64 split = (reading.v1->stat_user + reading.v1->stat_system) * kUserTick;
  if (split > reading.v1->usage || reading.v1->usage - split >= 2 * kUserTick)
    return say("split: cpuacct.stat user %llu + system %llu ticks is not usage %llu ns",
               ull(reading.v1->stat_user), ull(reading.v1->stat_system), ull(reading.v1->usage));
  return "";
}

std::string check_percpu(const Reading& reading) {
  if (!reading.v1) return "";
  const std::pair<const char*, std::pair<u64, u64>> kSums[] = {
      {"usage", {reading.v1->usage, sum_of(reading.v1->percpu)}},
      {"usage_user", {reading.v1->usage_user, sum_of(reading.v1->all_user)}},
      {"usage_sys", {reading.v1->usage_sys, sum_of(reading.v1->all_sys)}}};
  for (const auto& [name, values] : kSums)
    if (values.first != values.second)
      return say("percpu: cpuacct.%s is %llu, its CPUs together %llu", name, ull(values.first),
                 ull(values.second));
  return "";
}

std::string check_monotone(const Reading& before, const Reading& after) {
  const auto old_values = values_of(before), new_values = values_of(after);
  if (old_values.size() != new_values.size())
    return say("monotone: there were %zu values and are %zu", old_values.size(), new_values.size());
  for (std::size_t i = 0; i < old_values.size(); ++i)
    if (new_values[i].value < old_values[i].value)
      return say("monotone: %s went back from %llu to %llu", old_values[i].name,
                 ull(old_values[i].value), ull(new_values[i].value));
  return "";
}

std::string check_frozen(const Reading& first, const Reading& second, const Reading& third) {
  if (std::string back = check_monotone(first, second); !back.empty()) return back;
  if (std::string back = check_monotone(second, third); !back.empty()) return back;
  if (second == first || third == second) return "";
  const auto old_values = values_of(second), new_values = values_of(third);
  for (std::size_t i = 0; i < old_values.size(); ++i)
    if (new_values[i].value != old_values[i].value)
      return say("frozen: %s still grows, %llu to %llu, in a group without tasks",
                 old_values[i].name, ull(old_values[i].value), ull(new_values[i].value));
  return "";
}

std::string check_levels(const Reading& parent, const std::vector<Reading>& children) {
  if (!parent.v1) return "";
  const double base =
      std::max(0.02 * static_cast<double>(parent.v1->usage), 5.0 * static_cast<double>(kUserTick));
  const double limit = base + untold_ns(parent, children);
  const u64 v2 = total(children, [](const Reading& r) { return r.v2.user; });
  const u64 v1 = total(children, [](const Reading& r) { return r.v1 ? r.v1->stat_user : 0; });
  const std::pair<const char*, u64> kBoth[] = {
      {"cpu.stat user_usec", distance(parent.v2.user, v2) * 1000},
      {"cpuacct.stat user", distance(parent.v1->stat_user, v1) * kUserTick}};
  for (const auto& [name, difference] : kBoth)
    if (static_cast<double>(difference) > limit)
      return say("levels: %s of the group differs from its children's by %llu us (+-%.0f)", name,
                 ull(difference / 1000), limit / 1e3);
  return "";
}

std::string check_rusage(const Reading& reading, u64 least, u64 most, bool many) {
  const u64 usage = reading.v1 ? reading.v1->usage : reading.v2.usage * 1000;
  const u64 limit = most / 100 + kUserTick;
  if (usage + limit < least || (!many && usage > most + limit))
    return say("rusage: the group used %llu us, its tasks %llu to %llu us by wait4 (+-%llu)",
               ull(usage / 1000), ull(least / 1000), ull(most / 1000), ull(limit / 1000));
  return "";
}

std::string check_twins(const Reading& reading) {
  if (!reading.v1) return "";
  const u64 v1 = reading.v1->usage / 1000, limit = v1 / 100 + kUserTick / 1000;
  if (distance(v1, reading.v2.usage) > limit)
    return say("twins: cpuacct.usage is %llu us, cpu.stat of the same tasks %llu us", ull(v1),
               ull(reading.v2.usage));
  return "";
}

std::string check_machine(const Machine& machine) {
  const u64 capacity = machine.wall * machine.cpus, slack = 2 * kUserTick * machine.cpus;
  if (machine.root_usage > capacity + capacity / 100 + slack)
    return say("machine: the root group used %llu us, %llu CPUs had %llu us",
               ull(machine.root_usage / 1000), ull(machine.cpus), ull(capacity / 1000));
  const u64 counted = machine.proc_stat * kUserTick;
  const bool lost_ticks = counted + capacity / 50 + slack < capacity;
  if (!lost_ticks && machine.root_usage > counted + counted / 100 + slack)
    return say("machine: the root group used %llu us, /proc/stat has %llu us of all CPUs",
               ull(machine.root_usage / 1000), ull(counted / 1000));
  return "";
}

}  // namespace ktrial::cpuacct
