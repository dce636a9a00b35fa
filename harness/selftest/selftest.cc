#include "harness/selftest/selftest.h"

#include <fmt/format.h>

#include <algorithm>

namespace ktrial::selftest {
namespace {

using results::Kind;
using results::Outcome;

template <class T, class U>
bool any_of(const std::vector<T>& wanted, const U& one) {
  return wanted.empty() || std::ranges::find(wanted, one) != wanted.end();
}

// What is not as expected, the culprit aside; empty: nothing.
std::string difference(const Expected& expected, const Planted& planted) {
  const results::Verdict& got = planted.record.verdict;
  if (got.outcome != expected.outcome || !any_of(expected.kinds, Kind(got.kind)))
    return fmt::format("got {}{}{}: {}", name(got.outcome), got.kind.empty() ? "" : " ",
                       got.kind.name(), got.reason);
  if (!got.title.contains(expected.title))
    return fmt::format("the title \"{}\" lacks \"{}\"", got.title, expected.title);
  if (!planted.console.contains(expected.console))
    return fmt::format("the console log lacks \"{}\"", expected.console);
  return "";
}

// Why the fault was never put to the test; empty: it was.
std::string why_untested(const Fault& fault, const Planted& planted) {
  const results::Verdict& got = planted.record.verdict;
  if (got.kind == Kind::host_starved) return got.reason;
  if (got.outcome != Outcome::inconclusive || fault.expected.outcome == Outcome::inconclusive)
    return "";
  if (got.kind == Kind::workload_unfit)
    return planted.no_module.empty() ? got.reason : planted.no_module;
  return planted.begun ? "" : got.reason;
}

}  // namespace

std::string_view name(Status status) {
  switch (status) {
    case Status::detected:
      return "detected";
    case Status::missed:
      return "MISSED";
    case Status::wrong_culprit:
      return "WRONG CULPRIT";
    case Status::false_alarm:
      return "FALSE ALARM";
    case Status::skipped:
      return "skipped";
  }
  std::abort();
}

Row judge(const Fault& fault, const Planted& planted) {
  const results::Verdict& got = planted.record.verdict;
  Row row{.fault = fault,
          .status = Status::detected,
          .got = got,
          .seconds = planted.seconds,
          .culprit_right = {},
          .note = {},
          .artifacts = planted.record.artifacts};
  if (std::string why = why_untested(fault, planted); !why.empty()) {
    row.status = Status::skipped;
    row.note = std::move(why);
    return row;
  }
  row.note = difference(fault.expected, planted);
  const bool culprit_counts = !fault.expected.culprits.empty();
  if (culprit_counts) row.culprit_right = any_of(fault.expected.culprits, got.culprit);
  if (!row.note.empty()) {
    row.status = fault.expected.outcome == Outcome::pass && got.outcome != Outcome::pass
                     ? Status::false_alarm
                     : Status::missed;
  } else if (culprit_counts && !*row.culprit_right) {
    row.status = Status::wrong_culprit;
    row.note = fmt::format("blames {}", got.culprit.empty() ? "nobody" : got.culprit);
  }
  return row;
}

int Report::count(Status status) const {
  return static_cast<int>(std::ranges::count(rows, status, &Row::status));
}

Outcome Report::outcome() const {
  const int good = count(Status::detected), skipped = count(Status::skipped);
  if (good + skipped < static_cast<int>(rows.size())) return Outcome::fail;
  const auto matters = [](const Row& row) {
    return row.status == Status::skipped && row.fault.needs.empty();
  };
  return std::ranges::any_of(rows, matters) || good == 0 ? Outcome::inconclusive : Outcome::pass;
}

namespace {

results::Facts introspection_of(const results::TrialRecord& record) {
  static constexpr std::string_view kPrefix = "introspection.";
  results::Facts out;
  for (const auto& [name, value] : record.facts)
    if (name.starts_with(kPrefix)) out.emplace_back(name.substr(kPrefix.size()), value);
  return out;
}

}  // namespace

Result<Report> run_selftest(const Options& options, const Runner& runner) {
  const std::vector<Fault> faults = KTRIAL_TRY(choose_faults(options.only));
  Report report{.kernel = options.base.kernel, .rows = {}};
  const int of = static_cast<int>(faults.size()) * options.repeat;
  std::string no_module;
  for (int number = 0; number < of; ++number) {
    const Fault& fault = faults[static_cast<std::size_t>(number) % faults.size()];
    Row row{.fault = fault, .status = Status::skipped, .note = no_module};
    if (no_module.empty() || fault.way != Way::module) {
      if (options.on_begin) options.on_begin(fault, number + 1, of);
      const Planted planted = KTRIAL_TRY(runner(fault, trial_of(fault, options.base)));
      row = judge(fault, planted);
      if (report.introspection.empty()) report.introspection = introspection_of(planted.record);
      if (fault.way == Way::module) no_module = planted.no_module;
    }
    report.rows.push_back(std::move(row));
    if (options.on_row) options.on_row(report.rows.back());
  }
  return report;
}

}  // namespace ktrial::selftest
