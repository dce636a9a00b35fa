// What a trace of the scheduler's events tells about a stall.
#include <algorithm>
#include <unordered_map>

#include "harness/trace/history.h"

namespace ktrial::trace {

std::vector<Birth> births(const History& history) {
  std::vector<Birth> out;
  // Pids come again: the latest birth counts.
  std::unordered_map<int, std::size_t> of_child;
  std::unordered_map<int, std::size_t> of_parent;  // only the last can be waited for
  for (const Moment& one : history.moments) {
    if (one.act == Act::fork) {
      of_child[one.to] = of_parent[one.from] = out.size();
      out.push_back({one.ns, one.cpu, one.from, one.to});
    } else if (one.act == Act::task_switch) {
      if (auto it = of_child.find(one.to); it != of_child.end()) out[it->second].ran = true;
      if (auto it = of_parent.find(one.from); it != of_parent.end())
        out[it->second].parent_waits = one.to_sleep;
      if (auto it = of_parent.find(one.to); it != of_parent.end())
        out[it->second].parent_waits = false;
    }
  }
  return out;
}

std::vector<HeldOff> held_off(const History& history) {
  std::unordered_map<int, HeldOff> sleeping;
  for (const Moment& one : history.moments) {
    if (one.act != Act::task_switch) continue;
    sleeping.erase(one.to);
    if (one.to_sleep) sleeping[one.from] = {one.ns, one.cpu, one.from};
  }
  std::vector<HeldOff> out;
  for (const auto& [pid, one] : sleeping) out.push_back(one);
  std::ranges::sort(out, std::ranges::greater{}, &HeldOff::since_ns);
  return out;
}

std::vector<Gap> longest_gaps(const History& history, std::size_t most) {
  const std::uint64_t end = history.end_ns();
  std::vector<Gap> all;
  std::map<unsigned, const Moment*> last;  // of each CPU
  const auto add = [&](const Moment& from, std::uint64_t to, bool open) {
    if (to <= from.ns) return;
    const int runs = from.act == Act::task_switch ? from.to : from.pid;
    all.push_back({from.cpu, from.ns, to, runs == 0, open});
  };
  for (const Moment& one : history.moments) {
    const Moment*& before = last[one.cpu];
    if (before != nullptr) add(*before, one.ns, false);
    before = &one;
  }
  for (const auto& [cpu, one] : last) add(*one, end, true);
  const auto longer = [](const Gap& a, const Gap& b) {
    if (a.idle != b.idle) return b.idle;
    return a.to_ns - a.from_ns > b.to_ns - b.from_ns;
  };
  most = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<long>(most), all.end(), longer);
  all.resize(most);
  return all;
}

}  // namespace ktrial::trace
