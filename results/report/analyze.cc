// Documents of `ktrial analyze`.
#include <algorithm>
#include <map>

#include "results/report/report.h"
#include "results/report/text.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {

struct Place {
  std::string file;
  std::uint64_t line = 0;
};
// Equal reports.
struct Group {
  std::string signature;
  const Finding* first = nullptr;
  std::vector<Place> places;
};

// The most frequent first; equally frequent ones as they came.
std::vector<Group> groups_of(const std::vector<FileFindings>& files) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> known;
  for (const FileFindings& file : files)
    for (const Finding& finding : file.findings) {
      const std::string signature =
          make_signature(finding.kind.name(), finding.title, finding.culprit);
      const auto [at, is_new] = known.try_emplace(signature, groups.size());
      if (is_new) groups.push_back({signature, &finding, {}});
      groups[at->second].places.push_back({file.file, finding.first_line});
    }
  std::ranges::stable_sort(groups, std::greater(),
                           [](const Group& group) { return group.places.size(); });
  return groups;
}

Json signatures(const std::vector<FileFindings>& files) {
  Json out = Json::array();
  for (const Group& group : groups_of(files)) {
    Json places = Json::array();
    for (const Place& place : group.places)
      places.push_back({{"file", place.file}, {"first_line", place.line}});
    out.push_back({{"signature", group.signature},
                   {"title", group.first->title},
                   {"kind", group.first->kind.name()},
                   {"culprit", group.first->culprit},
                   {"count", group.places.size()},
                   {"places", std::move(places)}});
  }
  return out;
}

// How many of each result, then the bad ones.
std::string subtests_text(const FileFindings& file, const TextOptions& options) {
  if (file.subtests.empty() && file.subtests_missing == 0) return {};
  std::map<std::string, std::size_t> counts;
  for (const Subtest& test : file.subtests) ++counts[test.result];
  std::string out = "  " + counted(file.subtests.size(), "subtest") + ":";
  std::string separator = " ";
  for (const auto& [result, count] : counts) {
    out += separator + std::to_string(count) + " " + printable(result);
    separator = ", ";
  }
  if (file.subtests_missing > 0)
    out += separator + std::to_string(file.subtests_missing) + " missing";
  out += "\n";
  for (const Subtest& test : file.subtests)
    if (test.bad())
      out += "    " + inked(printable(test.result), Ink::bad, options.color) + "  " +
             printable(test.name) + (test.reason.empty() ? "" : ": " + printable(test.reason)) +
             "\n";
  return out;
}

constexpr std::string_view kUnknownWrapping =
    "looks like a kernel log in an unknown wrapping: nothing could be read of it";

}  // namespace

std::string where(const Finding& finding) {
  std::string out =
      "lines " + std::to_string(finding.first_line) + "-" + std::to_string(finding.last_line);
  if (finding.cpu) out += ", CPU " + std::to_string(*finding.cpu);
  if (!finding.task.empty()) out += ", task " + printable(finding.task);
  if (finding.corrupted) out += ", text incomplete";
  return out;
}

std::string analyze_json(const std::vector<FileFindings>& files, bool summary) {
  Json out;
  out["files"] = Json::array();
  for (const FileFindings& file : files) {
    Json one;
    one["file"] = file.file;
    one["findings"] = Json::array();
    for (const Finding& finding : file.findings) one["findings"].push_back(to_json(finding));
    one["notes"] = Json::array();
    for (const FileNote& note : file.notes)
      one["notes"].push_back(
          {{"title", note.title}, {"kind", note.kind.name()}, {"line", note.line}});
    if (file.unknown_wrapping) one["unknown_wrapping"] = true;
    if (!file.subtests.empty() || file.subtests_missing > 0) {
      one["subtests"] = Json::array();
      for (const Subtest& test : file.subtests) one["subtests"].push_back(to_json(test));
      one["subtests_missing"] = file.subtests_missing;
    }
    out["files"].push_back(std::move(one));
  }
  if (summary) out["signatures"] = signatures(files);
  return dump(document(std::move(out)));
}

std::string analyze_text(const std::vector<FileFindings>& files, const TextOptions& options) {
  std::string out;
  for (const FileFindings& file : files) {
    out += inked(printable(file.file), Ink::bold, options.color) + ": ";
    if (!file.findings.empty())
      out += counted(file.findings.size(), "report") + "\n";
    else if (!file.subtests.empty() || file.subtests_missing > 0)
      out += "no report of the kernel\n";
    else if (file.unknown_wrapping)
      out += inked(kUnknownWrapping, Ink::unsure, options.color) + "\n";
    else
      out += inked("nothing found", Ink::good, options.color) + "\n";
    for (const Finding& finding : file.findings) {
      out += "  " + inked(printable(finding.title), Ink::bad, options.color) + "\n    " +
             where(finding);
      if (!finding.culprit.empty()) out += ", culprit " + printable(finding.culprit);
      out += "\n";
    }
    for (const FileNote& note : file.notes)
      out += "  note: " + printable(note.title) + "\n    line " + std::to_string(note.line) + "\n";
    out += subtests_text(file, options);
  }
  return out;
}

std::string summary_text(const std::vector<FileFindings>& files, const TextOptions& options) {
  constexpr std::size_t kPlaces = 4;
  const std::vector<Group> groups = groups_of(files);
  std::size_t reports = 0, with_reports = 0;
  for (const FileFindings& file : files) {
    reports += file.findings.size();
    with_reports += file.findings.empty() ? 0 : 1;
  }
  std::string out = counted(reports, "report") + " of " + counted(groups.size(), "signature") +
                    " in " + std::to_string(with_reports) + " of " + counted(files.size(), "file") +
                    "\n";
  for (const Group& group : groups) {
    out += padded(std::to_string(group.places.size()), 5) + " " +
           inked(printable(group.first->title), Ink::bad, options.color) + "\n      " +
           group.signature + ":";
    for (std::size_t i = 0; i < std::min(kPlaces, group.places.size()); ++i)
      out += " " + printable(group.places[i].file) + ":" + std::to_string(group.places[i].line);
    if (group.places.size() > kPlaces) out += " ...";
    out += "\n";
  }
  for (const FileFindings& file : files)
    if (file.unknown_wrapping)
      out += printable(file.file) + ": " + std::string(kUnknownWrapping) + "\n";
  return out;
}

}  // namespace ktrial::results
