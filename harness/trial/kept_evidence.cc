#include "harness/trial/kept_evidence.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/trial/judgement.h"
#include "harness/trial/last_word.h"
#include "harness/trial/older_evidence.h"
#include "harness/verdict/evidence_json.h"
#include "results/store/artifacts.h"

namespace ktrial::trial {
namespace fs = std::filesystem;
namespace {

// Bytes; a log is bounded by its writer (results::ConsoleLog), and so is what is read of it.
constexpr std::size_t kMostLog =
    results::ConsoleLog::kHead + results::ConsoleLog::kTail + (1 << 20);
constexpr std::size_t kMostFile = 256u << 20;

std::string text_of(const fs::path& file, std::size_t most = kMostFile) {
  return read_file(file, most).value_or("");
}

// Lines of the console that were there at this time of the trial, by console.times.
std::uint64_t lines_at(double seconds, std::string_view console, std::string_view times) {
  std::size_t end = console.size();
  while (const auto line = take_line(times)) {
    const auto parts = split(*line, ' ');
    if (parts.size() != 2) continue;
    const auto offset = to_number<std::uint64_t>(parts[0]);
    const auto ns = to_number<std::uint64_t>(parts[1]);
    if (!offset || !ns || static_cast<double>(*ns) * 1e-9 <= seconds) continue;
    end = std::min<std::size_t>(end, *offset);
    break;
  }
  return static_cast<std::uint64_t>(std::ranges::count(console.substr(0, end), '\n'));
}

// Findings that came by themselves: those that began by this line.
std::size_t before_line(const std::vector<console::Finding>& findings, std::uint64_t line) {
  return static_cast<std::size_t>(std::ranges::count_if(
      findings, [&](const console::Finding& finding) { return finding.first_line <= line; }));
}

// Notes that the trial's spec wanted to fail: those that stand among its findings.
std::vector<console::Kind> failing_notes(const results::TrialRecord& record) {
  std::vector<console::Kind> out;
  for (const results::Finding& finding : record.findings)
    if (console::is_note(finding.kind)) out.push_back(finding.kind);
  return out;
}

void hear_folder(const fs::path& folder, const std::string& console,
                 const results::TrialRecord& record, KeptEvidence& kept) {
  verdict::Evidence& evidence = kept.evidence;
  console::Analyzer analyzer(failing_notes(record));
  subtests::Parser of_output, of_console(subtests::Source::console);
  analyzer.feed(console);
  analyzer.finish();
  hear(analyzer, evidence);
  const std::string output = text_of(folder / "output" / "console.log", kMostLog);
  of_output.feed(output);
  LastWord last_word;
  last_word.feed(output);
  evidence.last_word = last_word.text();
  of_console.feed(console);
  evidence.subtests = chosen(of_output.summary(), of_console.summary());
  if (evidence.nmi_after_line)
    evidence.provoked_from = before_line(evidence.findings, *evidence.nmi_after_line);
  const std::string log = text_of(folder / "kernel.log");
  for (std::string_view rest = log; const auto line = take_line(rest);)
    evidence.autopsy.kernel_log.emplace_back(*line);
  // Of a stall that the kernel did not report itself: see gather_late_evidence().
  if (std::holds_alternative<verdict::HeartbeatSilence>(evidence.ending) ||
      std::holds_alternative<verdict::ProgressSilence>(evidence.ending) ||
      std::holds_alternative<verdict::DeadlinePassed>(evidence.ending))
    hear_log(evidence.autopsy.kernel_log, failing_notes(record), evidence);
  if (console.size() > results::ConsoleLog::kHead &&
      console.contains(results::ConsoleLog::kDroppedMark))
    kept.assumed.emplace_back("the console log lacks its middle: what stood there is not judged");
}

}  // namespace

Status keep_evidence(const fs::path& folder, const verdict::Evidence& evidence) {
  return results::write_artifact(folder / kEvidenceFile,
                                 results::dump(results::document(verdict::to_json(evidence))));
}

Result<KeptEvidence> read_evidence(const fs::path& folder, const results::TrialRecord& record,
                                   const results::SpecSummary& spec) {
  auto console = read_file(folder / "console.log", kMostLog);
  if (!console) {
    Error error = std::move(console).error();
    error.kind = ErrorKind::usage;
    error.hint = "a verdict is judged from what its trial left behind; this one left too little";
    return std::unexpected(std::move(error).in("evidence"));
  }
  KeptEvidence kept;
  std::error_code ignored;
  if (fs::exists(folder / kEvidenceFile, ignored)) {
    const auto json = results::parse_json(KTRIAL_TRY(read_file(folder / kEvidenceFile, kMostFile)));
    auto evidence = json ? verdict::evidence_from_json(*json) : std::nullopt;
    if (!evidence)
      return usage_error((folder / kEvidenceFile).string() + " is no trial's evidence",
                         "remove the file to judge by the record and its events alone");
    kept.evidence = *std::move(evidence);
  } else {
    OlderEvidence older = older_evidence(record, spec, text_of(folder / "events.jsonl"));
    kept = std::move(older.kept);
    if (older.nmi_at_s)
      kept.evidence.nmi_after_line =
          lines_at(*older.nmi_at_s, *console, text_of(folder / "console.times"));
  }
  hear_folder(folder, *console, record, kept);
  return kept;
}

results::TrialRecord judged_again(const KeptEvidence& kept, const results::TrialRecord& record) {
  results::TrialRecord out = record;
  judge(kept.evidence, out);
  // A page that was read back is less than the page.
  if (!record.incident.autopsy.empty()) out.incident.autopsy = record.incident.autopsy;
  // Said of a second boot (harness/run/run.cc); the judgement is that of the boot that counts.
  const std::string& before = record.verdict.reason;
  if (before.starts_with(out.verdict.reason + "; this was the second boot"))
    out.verdict.reason = before;
  return out;
}

}  // namespace ktrial::trial
