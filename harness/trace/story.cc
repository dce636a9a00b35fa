#include "harness/trace/story.h"

#include <algorithm>
#include <limits>
#include <set>

namespace ktrial::trace {

namespace {

using Story = results::TraceStory;

constexpr std::size_t kMostCpus = 64, kMostForks = 8, kMostLost = 8, kMostHeld = 8;
constexpr std::size_t kWidth = 150;  // of what an event says

std::string what(const Moment& one, const History& history) {
  std::string out = history.task(one.pid) + ": ";
  if (one.act == Act::task_switch) return out + "switch to " + history.task(one.to);
  if (one.act == Act::fork) return out + "forked " + history.task(one.to);
  out += one.event + ": " + one.text;
  if (out.size() > kWidth) out = out.substr(0, kWidth) + "...";
  return out;
}

void tell_cpus(const History& history, Story& out) {
  std::map<unsigned, const Moment*> last, last_switch;
  for (const Moment& one : history.moments) {
    if (one.doubtful) continue;
    last[one.cpu] = &one;
    if (one.act == Act::task_switch) last_switch[one.cpu] = &one;
  }
  for (const auto& [cpu, one] : last) {
    if (out.cpus.size() == kMostCpus) break;
    Story::Cpu to{.cpu = cpu, .last_s = seconds(one->ns), .last = what(*one, history)};
    // The event is written before the switch, `current` is set within.
    const auto begun = last_switch.find(cpu);
    const auto running = history.running.find(cpu);
    to.unfinished = begun != last_switch.end() && running != history.running.end() &&
                    begun->second->to != running->second;
    out.cpus.push_back(std::move(to));
  }
  for (const Gap& gap : longest_gaps(history, std::numeric_limits<std::size_t>::max())) {
    const auto to = std::ranges::find(out.cpus, gap.cpu, &Story::Cpu::cpu);
    if (to == out.cpus.end() || to->gap_s > 0) continue;
    to->gap_s = seconds(gap.to_ns - gap.from_ns);
    to->gap_from_s = seconds(gap.from_ns);
    to->gap_idle = gap.idle;
    to->gap_open = gap.open;
  }
}

void tell_forks(const History& history, const std::vector<Birth>& born, Story& out) {
  std::set<std::size_t> chosen;
  std::size_t lost = 0;
  // Children that somebody waits for first: they explain most.
  for (const bool waited_for : {true, false})
    for (std::size_t i = born.size(); i-- > 0 && lost < kMostLost;)
      if (!born[i].ran && born[i].parent_waits == waited_for) lost += chosen.insert(i).second;
  for (std::size_t i = born.size(); i-- > 0 && born.size() - i <= kMostForks;) chosen.insert(i);
  for (const std::size_t i : chosen)
    out.forks.push_back({seconds(born[i].ns), born[i].cpu, history.task(born[i].parent),
                         history.task(born[i].child), born[i].ran, born[i].parent_waits});
}

void tell_held_off(const History& history, const std::vector<Birth>& born, Story& out) {
  for (const HeldOff& one : held_off(history)) {
    if (out.held_off.size() == kMostHeld) return;
    Story::Held to{seconds(one.since_ns), one.cpu, history.task(one.pid)};
    for (auto child = born.rbegin(); child != born.rend(); ++child) {
      if (child->parent != one.pid || !child->parent_waits) continue;
      to.child = history.task(child->child);
      to.child_ran = child->ran;
      break;
    }
    out.held_off.push_back(std::move(to));
  }
}

}  // namespace

Story tell(const History& history) {
  Story out{.source = history.source, .events = history.moments.size()};
  if (history.moments.empty()) return out;
  const auto earliest = std::ranges::min_element(history.moments, {}, &Moment::ns);
  out.begin_s = seconds(earliest->ns);
  out.end_s = seconds(history.end_ns());
  out.missing = history.missing;
  tell_cpus(history, out);
  const auto born = births(history);
  tell_forks(history, born, out);
  tell_held_off(history, born, out);
  return out;
}

}  // namespace ktrial::trace
