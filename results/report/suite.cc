#include "results/report/suite.h"

#include <algorithm>

#include "results/report/text.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {

constexpr std::size_t kNameBytes = 160;

std::string named(std::string_view name) {
  std::string out = one_line(name, kNameBytes);
  return out.empty() ? "unnamed" : out;
}

CaseResult result_of(const Verdict& verdict) {
  switch (verdict.outcome) {
    case Outcome::pass:
      return CaseResult::pass;
    case Outcome::fail:
      return CaseResult::fail;
    case Outcome::inconclusive:
      break;
  }
  return unjudged(verdict.kind);
}

Case case_of(const Subtest& test) {
  Case out{.name = named(test.name),
           .result = test.result == "skip" ? CaseResult::skip
                     : test.bad()          ? CaseResult::fail
                                           : CaseResult::pass,
           .type = one_line(test.result, kNameBytes),
           .message = one_line(test.reason)};
  out.seconds = test.seconds.value_or(0);
  return out;
}

std::string what_of(const Verdict& verdict) {
  if (verdict.outcome != Outcome::fail || verdict.title.empty()) return one_line(verdict.reason);
  return one_line(verdict.title);
}

Case case_of(const TrialRecord& trial, const std::string& name) {
  Case out{.name = name,
           .result = result_of(trial.verdict),
           .type = one_line(trial.verdict.kind.name(), kNameBytes)};
  out.seconds = trial.duration_s;
  if (out.result != CaseResult::pass) {
    out.message = what_of(trial.verdict);
    out.detail = detail_of(trial);
  }
  for (const Subtest& test : trial.subtests) out.parts.push_back(case_of(test));
  return out;
}

Case trouble(std::string_view name, std::string_view why) {
  return {.name = std::string(name), .type = "ktrial", .message = one_line(why)};
}

std::string work_of(const SpecSummary& spec) {
  return named(spec.workload.empty() ? shell_quoted(spec.command) : spec.workload);
}

void property(Suite& suite, std::string_view name, std::string_view value) {
  if (!value.empty()) suite.properties.emplace_back(one_line(name, kNameBytes), one_line(value));
}

void describe(Suite& suite, const KernelFacts& kernel) {
  property(suite, "kernel.release", kernel.release);
  property(suite, "kernel.commit", kernel.commit);
  property(suite, "kernel.architecture", kernel.architecture);
  property(suite, "kernel.compiler", kernel.compiler);
  property(suite, "kernel.config_sha256", kernel.config_sha256);
  property(suite, "kernel.image_sha256", kernel.image_sha256);
}

// What keeps a run from being whole is a case of its own: else the trials that are there would
// vouch for those that are not.
void add_what_is_missing(Suite& suite, const RunRecord& run, const std::string& problem) {
  for (const std::string& why : run.unreadable) suite.cases.push_back(trouble("record", why));
  if (!problem.empty()) suite.cases.push_back(trouble("job", problem));
  const bool told = std::ranges::any_of(
      suite.cases, [](const Case& one) { return one.result != CaseResult::pass; });
  if (!told && run.verdict.outcome == Outcome::inconclusive)
    suite.cases.push_back(trouble("run", run.verdict.reason));
  if (suite.cases.empty()) suite.cases.push_back(trouble("run", "no trial was completed"));
}

Suite suite_of(const BatchPart& part) {
  Suite suite;
  if (!part.run) {
    suite.name = named(part.cell.empty() ? "job" : part.cell);
    suite.cases.push_back(
        trouble("job", part.problem.empty() ? "no run came about" : part.problem));
    return suite;
  }
  const RunRecord& run = *part.run;
  suite.name = work_of(run.spec) + " on " + named(part.cell.empty() ? run.spec.kernel : part.cell);
  suite.started_at = run.started_at;
  property(suite, "run", run.id);
  property(suite, "kernel", run.spec.kernel);
  property(suite, "workload", work_of(run.spec));
  for (const auto& [key, value] : run.spec.parameters) property(suite, "set." + key, value);
  property(suite, "cpus", std::to_string(run.spec.cpus));
  property(suite, "memory_mib", std::to_string(run.spec.memory_mib));
  property(suite, "command", shell_quoted(run.argv));
  if (!run.trials.empty()) {
    suite.host = one_line(run.trials.front().host.name, kNameBytes);
    describe(suite, run.trials.front().kernel);
    property(suite, "accel", run.trials.front().accel);
  }
  for (const TrialRecord& trial : run.trials)
    suite.cases.push_back(case_of(trial, "trial " + std::to_string(trial.index)));
  add_what_is_missing(suite, run, part.problem);
  return suite;
}

// A failing trial of a campaign: its own record, where it is at hand, tells all.
void tell_failure(Case& out, const CampaignSignature& signature, const TrialRecord* trial) {
  out.type = one_line(signature.kind.name(), kNameBytes);
  out.message = one_line(signature.title.empty() ? signature.signature : signature.title);
  if (trial) out.detail = detail_of(*trial);
  if (!signature.known) return;
  const std::string until = one_line(signature.known->until, kNameBytes);
  if (!signature.known->expired) out.result = CaseResult::known;
  out.message += signature.known->expired ? "; known, but only until " + until
                 : until.empty()          ? "; known"
                                          : "; known until " + until;
  if (!signature.known->link.empty()) out.message += ", " + one_line(signature.known->link);
}

Case case_of(const CellTrial& trial, std::size_t number, const CampaignRecord& campaign,
             const CampaignEvidence& evidence) {
  const TrialRecord* record = evidence.trial(trial.run, trial.index);
  Case out{.name = "trial " + std::to_string(number),
           .result = trial.outcome == Outcome::pass   ? CaseResult::pass
                     : trial.outcome == Outcome::fail ? CaseResult::fail
                                                      : CaseResult::error};
  out.seconds = trial.duration_s;
  if (trial.outcome == Outcome::pass) return out;
  if (record && trial.outcome == Outcome::inconclusive) {
    out.result = unjudged(record->verdict.kind);
    out.type = one_line(record->verdict.kind.name(), kNameBytes);
  }
  out.message = record ? what_of(record->verdict)
                       : one_line("run " + trial.run + ", trial " + std::to_string(trial.index));
  if (trial.outcome == Outcome::fail && trial.signature &&
      *trial.signature < campaign.signatures.size())
    tell_failure(out, campaign.signatures[*trial.signature], record);
  return out;
}

std::string axes_of(const Facts& axes) {
  std::string out;
  for (const auto& [key, value] : axes) out += (out.empty() ? "" : " ") + key + "=" + value;
  return named(out);
}

Suite suite_of(const CampaignCell& cell, const CampaignRecord& campaign,
               const CampaignEvidence& evidence) {
  Suite suite{.name = axes_of(cell.axes), .started_at = campaign.started_at};
  property(suite, "campaign", campaign.name);
  property(suite, "night", campaign.id);
  for (const auto& [key, value] : cell.axes) property(suite, key, value);
  property(suite, "state", name(cell.standing));
  property(suite, "why", cell.why);
  property(suite, "goal", cell.goal);
  property(suite, "rate.low", fixed(cell.rate.low, 6));
  property(suite, "rate.high", fixed(cell.rate.high, 6));
  if (!cell.strip.empty()) {
    suite.started_at = cell.strip.front().started_at;
    const TrialRecord* first = evidence.trial(cell.strip.front().run, cell.strip.front().index);
    if (first) describe(suite, first->kernel);
    if (first) suite.host = one_line(first->host.name, kNameBytes);
  }
  for (std::size_t i = 0; i < cell.strip.size(); ++i)
    suite.cases.push_back(case_of(cell.strip[i], i, campaign, evidence));
  if (suite.cases.empty()) suite.cases.push_back(trouble("cell", "no trial was completed"));
  return suite;
}

void add(std::vector<std::string>& out, std::string_view head, const std::string& text,
         std::size_t most) {
  if (text.empty()) return;
  out.emplace_back(head);
  for (std::string& line : safe_lines(text, most)) out.push_back("  " + std::move(line));
}

}  // namespace

CaseResult unjudged(Kind kind) {
  return kind == Kind::workload_unfit ? CaseResult::skip : CaseResult::error;
}

const Finding* telling_finding(const TrialRecord& trial) {
  if (trial.findings.empty()) return nullptr;
  const auto it = std::ranges::find(trial.findings, trial.verdict.title, &Finding::title);
  return it == trial.findings.end() ? &trial.findings.front() : &*it;
}

std::vector<std::string> detail_of(const TrialRecord& trial) {
  constexpr std::size_t kReportLines = 80, kChainLines = 12, kPageLines = 120;
  std::vector<std::string> out;
  add(out, "reason:", trial.verdict.reason, 1);
  add(out, "culprit:", trial.verdict.culprit, 1);
  add(out, "signature:", trial.verdict.signature, 1);
  if (const Finding* finding = telling_finding(trial))
    add(out, "console.log, " + where(*finding) + ":", finding->excerpt, kReportLines);
  std::string chain;
  for (std::size_t i = 0; i < std::min(kChainLines, trial.incident.chain.size()); ++i)
    chain += one_line(trial.incident.chain[i]) + "\n";
  for (std::size_t i = 0; i < std::min(kChainLines, trial.incident.victims.size()); ++i)
    chain += "victim: " + one_line(trial.incident.victims[i]) + "\n";
  add(out, "in causal order:", chain, 2 * kChainLines);
  add(out, "autopsy:", trial.incident.autopsy, kPageLines);
  add(out, "artifacts:", trial.artifacts.string(), 1);
  return out;
}

std::vector<Suite> suites_of(const BatchRecord& batch) {
  std::vector<Suite> out;
  for (const BatchPart& part : batch.parts) out.push_back(suite_of(part));
  return out;
}

std::vector<Suite> suites_of(const CampaignRecord& campaign, const CampaignEvidence& evidence) {
  std::vector<Suite> out;
  for (const CampaignCell& cell : campaign.cells) out.push_back(suite_of(cell, campaign, evidence));
  if (campaign.lost.empty()) return out;
  Suite lost{.name = "jobs without a record", .started_at = campaign.started_at};
  for (const std::string& why : campaign.lost) lost.cases.push_back(trouble("job", why));
  out.push_back(std::move(lost));
  return out;
}

std::vector<Suite> suites_of(const std::vector<FileFindings>& files) {
  std::vector<Suite> out;
  for (const FileFindings& file : files) {
    Suite suite{.name = named(file.file)};
    for (const Finding& finding : file.findings) {
      Case one{
          .name = named(finding.title),
          .result = CaseResult::fail,
          .type = one_line(finding.kind.name(), kNameBytes),
          .message = where(finding) +
                     (finding.culprit.empty() ? "" : ", culprit " + one_line(finding.culprit))};
      one.detail = safe_lines(finding.excerpt);
      suite.cases.push_back(std::move(one));
    }
    for (const Subtest& test : file.subtests) suite.cases.push_back(case_of(test));
    if (file.subtests_missing > 0)
      suite.cases.push_back(trouble("subtests", "planned subtests have no result"));
    if (file.unknown_wrapping)
      suite.cases.push_back(trouble("log", "looks like a kernel log in an unknown wrapping"));
    if (suite.cases.empty())
      suite.cases.push_back({.name = "no report", .result = CaseResult::pass});
    out.push_back(std::move(suite));
  }
  return out;
}

}  // namespace ktrial::results
