#include "harness/trace/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_map>

namespace ktrial::trace {

namespace {

constexpr double kSurprising = 10.83;          // chi-squared, one degree of freedom, p = 0.001
constexpr std::size_t kMostTraits = 1u << 17;  // different ones; a function trace has many

enum Sort : unsigned { event, task_switch, state_d, fork, never_ran, call, kSorts };
constexpr const char* kSortNames[] = {
    "event ", "switch ", "leaves in state D: ", "fork ", "never ran: ", "call "};

struct Count {
  Sort sort = event;
  std::uint64_t failing = 0, passing = 0, last_ns = 0;
  unsigned last_cpu = 0;
};

class Counter {
 public:
  void add(const History& history, bool failing) {
    history_ = &history;
    failing_ = failing;
    names_.clear();
    for (const Moment& one : history.moments) {
      if (!one.doubtful) add(one);
    }
    for (const Birth& one : births(history))
      if (!one.ran) count(never_ran, task(one.parent) + " -> " + task(one.child), one.ns, one.cpu);
  }

  std::unordered_map<std::string, Count> counts;
  std::uint64_t totals[2][kSorts] = {};  // passing, failing

 private:
  void add(const Moment& one) {
    count(event, one.event, one.ns, one.cpu);
    if (one.act == Act::task_switch) {
      count(task_switch, task(one.from) + " -> " + task(one.to), one.ns, one.cpu);
      if (one.to_sleep) count(state_d, task(one.from), one.ns, one.cpu);
    } else if (one.act == Act::fork) {
      count(fork, task(one.from) + " -> " + task(one.to), one.ns, one.cpu);
    } else if (one.event == "function") {
      const std::size_t arrow = one.text.find(" <-");
      if (arrow == std::string::npos) return;
      const std::size_t caller = one.text.find_first_not_of("- ", arrow + 3);
      if (caller == std::string::npos) return;
      count(call, one.text.substr(caller) + " -> " + one.text.substr(0, arrow), one.ns, one.cpu);
    }
  }

  void count(Sort sort, const std::string& what, std::uint64_t ns, unsigned cpu) {
    std::string key = kSortNames[sort] + what;
    if (counts.size() >= kMostTraits && !counts.contains(key)) return;
    Count& to = counts[std::move(key)];
    to.sort = sort;
    ++(failing_ ? to.failing : to.passing);
    ++totals[failing_][sort];
    if (!failing_ || ns < to.last_ns) return;
    to.last_ns = ns;
    to.last_cpu = cpu;
  }

  const std::string& task(int pid) {
    std::string& out = names_[pid];
    if (!out.empty()) return out;
    const auto it = history_->names.find(pid);
    out = pid == 0 ? "idle" : it == history_->names.end() ? "?" : without_numbers(it->second);
    return out;
  }

  const History* history_ = nullptr;
  bool failing_ = false;
  std::unordered_map<int, std::string> names_;
};

double term(double seen, double expected) {
  return seen > 0 && expected > 0 ? seen * std::log(seen / expected) : 0;
}

// Of `a` among `all_a` against `b` among `all_b`.
double surprise(std::uint64_t a, std::uint64_t all_a, std::uint64_t b, std::uint64_t all_b) {
  const auto x = static_cast<double>(a), y = static_cast<double>(b);
  const auto m = static_cast<double>(all_a), n = static_cast<double>(all_b);
  if (m == 0 || n == 0) return 0;
  const double p = (x + y) / (m + n);
  return 2 *
         (term(x, m * p) + term(m - x, m * (1 - p)) + term(y, n * p) + term(n - y, n * (1 - p)));
}

double share(std::uint64_t of, std::uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(of) / static_cast<double>(all);
}

void list(std::string& out, const char* title, const std::vector<Trait>& traits, std::size_t most,
          std::uint64_t end_ns) {
  if (traits.empty()) return;
  out += fmt::format("{} ({}):\n", title, traits.size());
  for (std::size_t i = 0; i < traits.size() && i < most; ++i) {
    const Trait& one = traits[i];
    fmt::format_to(std::back_inserter(out), "  {:>6} {:>6}  {:6.2f} % {:6.2f} %  {}", one.failing,
                   one.passing, 100 * one.failing_share, 100 * one.passing_share, one.what);
    if (one.failing > 0 && one.passing == 0)
      fmt::format_to(std::back_inserter(out), "; last on CPU {}, {:.6f} s before the end",
                     one.last_cpu, static_cast<double>(end_ns - one.last_ns) / 1e9);
    out += '\n';
  }
  if (traits.size() > most) out += fmt::format("  ... {} more\n", traits.size() - most);
}

}  // namespace

std::string without_numbers(std::string_view name) {
  std::string out;
  for (char c : name) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && out.ends_with('N')) continue;
    out += digit ? 'N' : c;
  }
  return out;
}

History of_workload(const History& history) {
  // What is no workload's: process 1, and what the kernel itself calls to load a module.
  const auto begin = std::ranges::find_if(history.moments, [](const Moment& one) {
    return one.event == "sched_process_exec" && one.pid != 1 &&
           one.text.find("/modprobe") == std::string::npos;
  });
  if (begin == history.moments.end()) return history;
  History out{.names = history.names,
              .running = history.running,
              .source = history.source,
              .missing = history.missing};
  out.moments.assign(begin, history.moments.end());
  return out;
}

Diff compare(const History& failing, const std::vector<History>& passing) {
  Counter counter;
  counter.add(failing, true);
  Diff out{.failing_events = failing.moments.size(),
           .passing_traces = passing.size(),
           .end_ns = failing.end_ns()};
  for (const History& one : passing) {
    counter.add(one, false);
    out.passing_events += one.moments.size();
  }
  for (const auto& [what, count] : counter.counts) {
    const std::uint64_t all_failing = counter.totals[1][count.sort];
    const std::uint64_t all_passing = counter.totals[0][count.sort];
    Trait one{.what = what, .failing = count.failing, .passing = count.passing};
    one.failing_share = share(count.failing, all_failing);
    one.passing_share = share(count.passing, all_passing);
    one.surprise = surprise(count.failing, all_failing, count.passing, all_passing);
    one.last_ns = count.last_ns;
    one.last_cpu = count.last_cpu;
    if (count.passing == 0)
      out.only_failing.push_back(std::move(one));
    else if (count.failing == 0)
      out.only_passing.push_back(std::move(one));
    else if (one.surprise >= kSurprising)
      out.shifted.push_back(std::move(one));
  }
  for (auto* list : {&out.only_failing, &out.only_passing, &out.shifted})
    std::ranges::sort(*list, [](const Trait& a, const Trait& b) {
      if (a.surprise != b.surprise) return a.surprise > b.surprise;
      // A sort that passing traces have nothing of surprises most by its number.
      return a.failing + a.passing != b.failing + b.passing
                 ? a.failing + a.passing > b.failing + b.passing
                 : a.what < b.what;
    });
  return out;
}

std::string to_text(const Diff& diff, std::size_t most) {
  std::string out =
      fmt::format("{} events when it failed; {} in {} other trace{}\n", diff.failing_events,
                  diff.passing_events, diff.passing_traces, diff.passing_traces == 1 ? "" : "s");
  const std::size_t before = out.size();
  out += "  failed others    failed   others  what\n";
  const std::size_t head = out.size();
  list(out, "only when it failed", diff.only_failing, most, diff.end_ns);
  list(out, "of another frequency (not by chance, p < 0.001)", diff.shifted, most, diff.end_ns);
  list(out, "only in the others", diff.only_passing, most, diff.end_ns);
  if (out.size() == head) out.replace(before, std::string::npos, "no difference\n");
  return out;
}

}  // namespace ktrial::trace
