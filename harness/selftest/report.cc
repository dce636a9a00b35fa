// The detection table, for people and for programs.
#include "results/report/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "harness/selftest/selftest.h"
#include "results/store/json.h"

namespace ktrial::selftest {
namespace {

std::string seconds_of(const Row& row) {
  return row.seconds ? fmt::format("{:.1f}", *row.seconds) : "-";
}

std::string got_of(const Row& row) {
  if (!row.got) return "-";
  const std::string outcome(name(row.got->outcome));
  return row.got->kind.empty() ? outcome : fmt::format("{}: {}", outcome, row.got->kind.name());
}

std::string culprit_of(const Row& row) {
  if (!row.culprit_right) return "-";
  if (*row.culprit_right) return "yes";
  return "NO (" + (row.got->culprit.empty() ? "none" : row.got->culprit) + ")";
}

std::string kinds_of(const Expected& expected) {
  std::string text(name(expected.outcome));
  for (std::size_t i = 0; i < expected.kinds.size(); ++i)
    text += (i == 0 ? ": " : "|") + std::string(name(expected.kinds[i]));
  return text;
}

// Where it fails, stalls have no autopsy and the black box stays shut.
std::string introspection_of(const Report& report) {
  std::string text, reasons;
  for (const auto& [part, state] : report.introspection) {
    const bool works = state == "yes";
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", part, works ? "yes" : "NO");
    if (!works) reasons += fmt::format("\n  no {}: {}", part, results::printable(state));
  }
  return fmt::format("\nintrospection: {}{}\n", text.empty() ? "not looked at" : text, reasons);
}

// One line for each reason why faults were skipped, and for each that is not as it should be.
std::string remarks(const Report& report) {
  std::string text;
  std::map<std::string, std::vector<std::string_view>> skipped;
  for (const Row& row : report.rows)
    if (row.status == Status::skipped) skipped[row.note].push_back(row.fault.name);
  for (const auto& [note, faults] : skipped)
    text += fmt::format("\nskipped {}: {}", fmt::join(faults, ", "), results::printable(note));
  for (const Row& row : report.rows) {
    if (row.note.empty() || row.status == Status::skipped) continue;
    text +=
        fmt::format("\n{} {}: {}", name(row.status), row.fault.name, results::printable(row.note));
    if (row.got && !row.got->title.empty())
      text += fmt::format("\n  title      {}", results::printable(row.got->title));
    if (!row.artifacts.empty()) text += fmt::format("\n  artifacts  {}", row.artifacts.string());
  }
  return text.empty() ? "" : text + "\n";
}

std::string summary(const Report& report) {
  const int bad = report.count(Status::missed) + report.count(Status::wrong_culprit) +
                  report.count(Status::false_alarm);
  std::string text =
      fmt::format("\n{} of {} as expected, {} not, {} skipped", report.count(Status::detected),
                  report.rows.size(), bad, report.count(Status::skipped));
  const auto open = std::ranges::count_if(report.rows, [](const Row& row) {
    return row.status == Status::skipped && row.fault.needs.empty();
  });
  if (open != 0)
    text += fmt::format(
        "\nNOT TESTED: {} of {} faults were never planted; whether they would be seen is unknown",
        open, report.rows.size());
  if (bad != 0) text += "\nktrial's verdicts on this kernel are not to be trusted where it says so";
  return text + "\n";
}

}  // namespace

std::string report_text(const Report& report) {
  static constexpr char kLine[] = "{:<20} {:<43} {:<31} {:>7}  {:<8} {}\n";
  std::string text = fmt::format("kernel {}\n\n", results::printable(report.kernel));
  text += fmt::format(kLine, "planted", "expected", "got", "seconds", "culprit", "");
  for (const Row& row : report.rows)
    text += fmt::format(kLine, row.fault.name, kinds_of(row.fault.expected),
                        results::printable(got_of(row)), seconds_of(row),
                        results::printable(culprit_of(row)), name(row.status));
  return text + introspection_of(report) + remarks(report) + summary(report);
}

std::string report_json(const Report& report) {
  using json = results::Json;
  json rows = json::array();
  for (const Row& row : report.rows) {
    const Expected& expected = row.fault.expected;
    const results::Verdict got = row.got.value_or(results::Verdict());
    json one = {{"planted", row.fault.name},
                {"status", name(row.status)},
                {"expected",
                 {{"outcome", name(expected.outcome)},
                  {"kinds", names_of(expected.kinds)},
                  {"culprits", expected.culprits}}},
                {"outcome", row.got ? name(got.outcome) : ""},
                {"kind", got.kind.name()},
                {"title", got.title},
                {"culprit", got.culprit},
                {"note", row.note},
                {"artifacts", row.artifacts.string()}};
    one["seconds"] = row.seconds ? json(*row.seconds) : json();
    one["culprit_right"] = row.culprit_right ? json(*row.culprit_right) : json();
    rows.push_back(std::move(one));
  }
  json introspection = json::object();
  for (const auto& [part, state] : report.introspection) introspection[part] = state;
  const json content = {{"outcome", name(report.outcome())},
                        {"kernel", report.kernel},
                        {"detected", report.count(Status::detected)},
                        {"missed", report.count(Status::missed)},
                        {"wrong_culprit", report.count(Status::wrong_culprit)},
                        {"false_alarms", report.count(Status::false_alarm)},
                        {"skipped", report.count(Status::skipped)},
                        {"introspection", introspection},
                        {"faults", rows}};
  return results::dump(results::document(content));
}

}  // namespace ktrial::selftest
