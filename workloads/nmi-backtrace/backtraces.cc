#include "workloads/nmi-backtrace/backtraces.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "workloads/common/system.h"

namespace ktrial::workload {
namespace {

constexpr std::string_view kAnswer = "NMI backtrace for cpu ";
constexpr std::string_view kSending = "Sending NMI from CPU ";
constexpr std::string_view kTo = " to CPUs ";
constexpr std::string_view kSoft = "watchdog: BUG: soft lockup - CPU#";
constexpr std::string_view kHard = "Watchdog detected hard LOCKUP on cpu ";
constexpr std::string_view kIdling = " skipped: idling at ";

// A number that is a CPU's, right after `head`; `rest` is what follows it.
int cpu_after(std::string_view text, std::string_view head, std::string_view& rest) {
  if (!text.starts_with(head)) return kNobody;
  text.remove_prefix(head.size());
  int cpu = kNobody;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
  if (error != std::errc() || cpu < 0 || cpu >= kMaxCpus) return kNobody;
  rest = text.substr(static_cast<std::size_t>(end - text.data()));
  return cpu;
}

std::string name(int cpu) { return "CPU " + std::to_string(cpu); }
std::string name(const std::set<int>& cpus) {
  return cpus.size() == 1 ? name(*cpus.begin()) : "CPUs " + cpu_list(cpus);
}

std::set<int> without(const std::set<int>& from, const std::set<int>& what) {
  std::set<int> rest;
  std::set_difference(from.begin(), from.end(), what.begin(), what.end(),
                      std::inserter(rest, rest.end()));
  return rest;
}

class Checker {
 public:
  explicit Checker(const BacktraceRequest& request)
      : request_(request), victim_due_(request.victim_first) {}

  void line(std::string_view text) {
    std::string_view rest;
    if (const int cpu = cpu_after(text, kAnswer, rest); cpu != kNobody) {
      if (rest.empty())
        trace(cpu, false);
      else if (rest.starts_with(kIdling))
        trace(cpu, true);
    } else if (const int from = cpu_after(text, kSending, rest); from != kNobody) {
      sending(from, rest);
    }
  }

  BacktraceVerdict end() {
    if (verdict_.lost) return std::move(verdict_);
    close_lone_trace();
    verdict_.unanswered = open_;
    if (verdict_.served == 0)
      wrong("the request of " + name(request_.askers) + " was not carried out");
    if (verdict_.served > static_cast<int>(request_.askers.size()))
      wrong(std::to_string(request_.askers.size()) + " requests were made, " +
            std::to_string(verdict_.served) + " carried out");
    return std::move(verdict_);
  }

  void lose() { verdict_.lost = true; }

 private:
  void wrong(std::string what) {
    if (verdict_.broken.size() < kMostBroken) verdict_.broken.push_back(std::move(what));
  }

  void trace(int cpu, bool idle) {
    if (open_.erase(cpu) == 1) {
      ++(idle ? verdict_.idle : verdict_.answers);
    } else if (!open_.empty()) {
      stray(cpu);
    } else {
      // Nothing is open: the asker's own trace, before it asks the others. What
      // it is indeed is seen from the next line of ours.
      close_lone_trace();
      own_ = cpu;
      if (idle) wrong(name(cpu) + " answered that it idles, but nobody had asked it");
    }
  }

  void stray(int cpu) {
    if (cpu == request_.excluded)
      wrong("the excluded " + name(cpu) + " answered");
    else if (asked_.contains(cpu))
      wrong(name(cpu) + " answered twice");
    else if (cpu == asker_)
      wrong(name(cpu) + " traced itself already and answered once more");
    else
      wrong(name(cpu) + " answered, but " + name(asker_) + " asked " + name(asked_));
  }

  // An own trace that no "Sending" followed is right if there was nobody to ask.
  void close_lone_trace() {
    const int cpu = std::exchange(own_, kNobody);
    if (cpu == kNobody) return;
    if (request_.askers.contains(cpu) && cpu != request_.excluded &&
        without(request_.must, {cpu, request_.excluded}).empty()) {
      ++verdict_.served;
      return;
    }
    if (asked_.contains(cpu) || cpu == asker_ || cpu == request_.excluded)
      stray(cpu);
    else if (request_.askers.contains(cpu))
      wrong(name(cpu) + " traced itself but did not ask " +
            name(without(request_.must, {cpu, request_.excluded})));
    else
      wrong(name(cpu) + " answered, but nobody had asked it");
  }

  void sending(int from, std::string_view rest) {
    if (!open_.empty())
      wrong(name(from) + " asks while " + name(open_) + " have not answered " + name(asker_));
    std::optional<std::set<int>> list;
    if (rest.starts_with(kTo) && rest.ends_with(':'))
      list = parse_cpu_list(rest.substr(kTo.size(), rest.size() - kTo.size() - 1));
    if (!list || list->empty()) {
      wrong("\"Sending NMI from " + name(from) + "\" names no CPUs");
      list.emplace();
    }
    if (!request_.askers.contains(from)) wrong(name(from) + " asks, but it was not told to");
    if (std::exchange(victim_due_, false))
      check_victim(from, *list);
    else
      check_list(from, *list);
    asker_ = from;
    asked_ = open_ = std::move(*list);
  }

  void check_victim(int from, const std::set<int>& list) {
    close_lone_trace();
    if (list != std::set<int>{request_.excluded})
      wrong(name(from) + " asks " + name(list) + " where it was to ask the hung " +
            name(request_.excluded));
  }

  void check_list(int from, const std::set<int>& list) {
    const bool traced_itself = own_ == from;
    if (traced_itself) own_ = kNobody;
    close_lone_trace();
    if (from == request_.excluded && traced_itself)
      wrong("the excluded " + name(from) + " traced itself");
    if (from != request_.excluded && !traced_itself)
      wrong(name(from) + " asks the others before it traces itself");
    if (list.contains(from)) wrong(name(from) + " asks itself");
    if (request_.excluded != from && list.contains(request_.excluded))
      wrong(name(from) + " asks the excluded " + name(request_.excluded));
    const std::set<int> self = {from, request_.excluded};
    if (const auto missing = without(without(request_.must, list), self); !missing.empty())
      wrong(name(from) + " does not ask " + name(missing) + ", online all the while");
    if (const auto more = without(without(list, request_.may), self); !more.empty())
      wrong(name(from) + " asks " + name(more) + ", not online");
    ++verdict_.served;
  }

  static constexpr std::size_t kMostBroken = 20;  // enough to understand
  const BacktraceRequest& request_;
  BacktraceVerdict verdict_;
  int asker_ = kNobody;         // of the last request
  std::set<int> asked_, open_;  // by it; have not answered yet
  int own_ = kNobody;           // a trace that came while nothing was open
  bool victim_due_;
};

int next_asker(const std::vector<KmsgLine>& lines, std::size_t from) {
  std::string_view rest;
  for (std::size_t i = from; i < lines.size(); ++i)
    if (const int cpu = cpu_after(lines[i].text, kSending, rest); cpu != kNobody) return cpu;
  return kNobody;
}

}  // namespace

BacktraceVerdict check_backtraces(const std::vector<KmsgLine>& lines,
                                  const BacktraceRequest& request) {
  Checker checker(request);
  std::optional<std::uint64_t> due = request.first_sequence;
  for (const KmsgLine& line : lines) {
    if (due && line.sequence != *due) {
      checker.lose();
      break;
    }
    checker.line(line.text);
    due = line.sequence + 1;
  }
  return checker.end();
}

bool reports_stall(const std::vector<KmsgLine>& lines) {
  return std::ranges::any_of(lines, [](const KmsgLine& line) {
    return line.text.starts_with(kSoft) || line.text.find(kHard) != line.text.npos ||
           line.text.starts_with("rcu: INFO: rcu_");
  });
}

std::optional<LockupRequest> find_lockup(const std::vector<KmsgLine>& lines,
                                         const std::set<int>& must, const std::set<int>& may) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string_view rest;
    LockupRequest found{{{}, must, may}, i};
    const int soft = cpu_after(lines[i].text, kSoft, rest);
    if (soft != kNobody) {
      found.request.askers = {soft};
      found.request.excluded = soft;
      return found;
    }
    const std::size_t head = lines[i].text.find(kHard);
    if (head == std::string::npos) continue;
    const int hung = cpu_after(std::string_view(lines[i].text).substr(head), kHard, rest);
    const int asker = next_asker(lines, i);
    if (hung == kNobody || asker == kNobody) continue;
    found.request.askers = {asker};
    found.request.excluded = hung;
    // A CPU that found itself hung has printed its registers already.
    found.request.victim_first = asker != hung;
    return found;
  }
  return std::nullopt;
}

}  // namespace ktrial::workload
