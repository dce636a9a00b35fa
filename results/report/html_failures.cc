// Each failure's story: its facts, chain, report, autopsy, picture, and the command.
#include <algorithm>
#include <map>

#include "harness/base/text.h"
#include "results/report/html.h"
#include "results/report/html_parts.h"
#include "results/report/suite.h"
#include "results/report/text.h"

namespace ktrial::results {
namespace html {
namespace {

constexpr std::size_t kMostPictureBytes = 2'500'000;  // in a page, of all its pictures

std::string block(const std::string& text, std::size_t most) {
  std::string out;
  for (const std::string& line : safe_lines(text, most)) out += line + "\n";
  return out;
}

list facts_of(const CampaignSignature& one, const TrialRecord* trial, const RunRecord* run) {
  list out;
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) out.push_back(object{{"k", key}, {"v", value}});
  };
  add("signature", one_line(one.signature));
  add("culprit", one_line(one.culprit));
  add("seen", seen_text(one));
  add("in common", one_line(one.common));
  add("known", known_text(one));
  if (!one.run.empty())
    add("look at", one_line(one.run, 80) + ", trial " + std::to_string(one.index));
  if (trial) {
    add("because", one_line(trial->verdict.reason));
    add("kernel", one_line(trial->kernel.release));
    add("commit", one_line(trial->kernel.commit));
    add("compiler", one_line(trial->kernel.compiler));
    add("host", one_line(trial->host.cpu));
    add("artifacts", one_line(trial->artifacts.string()));
  }
  if (run && !run->working_dir.empty()) add("run in", one_line(run->working_dir.string()));
  return out;
}

list chain_of(const Incident& incident) {
  constexpr std::size_t kMost = 20;
  list out;
  for (std::size_t i = 0; i < std::min(kMost, incident.chain.size()); ++i)
    out.push_back(one_line(incident.chain[i]));
  for (std::size_t i = 0; i < std::min(kMost, incident.victims.size()); ++i)
    out.push_back("victim: " + one_line(incident.victims[i]));
  return out;
}

list seen_in(const CampaignSignature& one, std::size_t signature, const CampaignRecord& campaign) {
  constexpr std::size_t kMost = 40;
  list out;
  for (std::size_t i = 0; i < std::min(kMost, one.cells.size()); ++i) {
    if (one.cells[i] >= campaign.cells.size()) continue;
    const CampaignCell& cell = campaign.cells[one.cells[i]];
    const auto count = std::ranges::count_if(cell.strip, [&](const CellTrial& trial) {
      return trial.outcome == Outcome::fail && trial.signature == signature;
    });
    out.push_back(object{
        {"id", cell_id(one.cells[i])},
        {"name", axes_text(cell)},
        {"count", std::to_string(count)},
        {"of",
         counted(static_cast<std::size_t>(std::max(0, cell.pass + cell.fail)), "judged trial")}});
  }
  return out;
}

void tell_trial(object& out, const TrialRecord& trial, const RunRecord& run) {
  out["command"] = some(printable(shell_quoted(run.argv)).substr(0, 4000));
  list chain = chain_of(trial.incident);
  out["has_chain"] = data(!chain.empty());
  out["chain"] = std::move(chain);
  if (const Finding* finding = telling_finding(trial)) {
    out["report"] = some(block(finding->excerpt, 120));
    out["report_where"] = "console.log, " + where(*finding);
  }
  std::string autopsy = block(trial.incident.autopsy, 200);
  if (autopsy.empty()) autopsy = block(trial.incident.no_autopsy, 4);
  out["autopsy"] = some(autopsy);
}

}  // namespace

list failures_of(const CampaignRecord& campaign, const CampaignEvidence& evidence) {
  constexpr std::size_t kOpen = 1;
  std::size_t pictures = 0;
  list out;
  for (std::size_t i = 0; i < campaign.signatures.size(); ++i) {
    const CampaignSignature& one = campaign.signatures[i];
    const auto run = evidence.runs.find(one.run);
    const TrialRecord* trial = evidence.trial(one.run, one.index);
    list seen = seen_in(one, i, campaign);
    object failure = {{"id", signature_id(i)},
                      {"open", data(i < kOpen)},
                      {"standing", some(badge(one.standing))},
                      {"tone", tone_of(one.standing)},
                      {"c", signature_colour(i)},
                      {"title", title_of(one)},
                      {"facts", facts_of(one, trial, trial ? &run->second : nullptr)},
                      {"has_seen", data(campaign.cells.size() > 1 && !seen.empty())},
                      {"seen_in", std::move(seen)},
                      // A section that is not there would be looked up in the page around it.
                      {"command", none()},
                      {"has_chain", none()},
                      {"report", none()},
                      {"autopsy", none()},
                      {"picture", none()}};
    if (trial) tell_trial(failure, *trial, run->second);
    const auto picture = evidence.pictures.find({one.run, one.index});
    if (picture != evidence.pictures.end() &&
        pictures + picture->second.size() * 4 / 3 < kMostPictureBytes) {
      pictures += picture->second.size() * 4 / 3;
      failure["picture"] = base64(picture->second);
    }
    out.push_back(std::move(failure));
  }
  return out;
}

}  // namespace html

CampaignRecord campaign_of(const BatchRecord& batch) {
  CampaignRecord out;
  out.started_at = batch.started_at;
  out.finished_at = batch.finished_at;
  out.state = RunState::finished;
  std::map<std::string, std::size_t> known;
  for (const BatchPart& part : batch.parts) {
    if (!part.problem.empty()) out.state = RunState::interrupted;
    if (!part.run) {
      out.lost.push_back(part.cell + ": " + part.problem);
      continue;
    }
    const RunRecord& run = *part.run;
    if (run.state == RunState::running) out.state = RunState::running;
    if (out.id.empty()) out.id = run.id;
    CampaignCell cell;
    cell.axes = {{"kernel", run.spec.kernel},
                 {"workload",
                  run.spec.workload.empty() ? shell_quoted(run.spec.command) : run.spec.workload},
                 {"cpus", std::to_string(run.spec.cpus)}};
    for (const TrialRecord& trial : run.trials) {
      CellTrial one{run.id,           trial.index,      trial.verdict.outcome, {},
                    trial.started_at, trial.duration_s, trial.boot_s};
      cell.pass += one.outcome == Outcome::pass;
      cell.fail += one.outcome == Outcome::fail;
      cell.inconclusive += one.outcome == Outcome::inconclusive;
      if (one.outcome == Outcome::fail) {
        const auto [at, is_new] = known.try_emplace(trial.verdict.signature, out.signatures.size());
        if (is_new) {
          CampaignSignature first{trial.verdict.signature, trial.verdict.title,
                                  trial.verdict.culprit, trial.verdict.kind};
          first.run = run.id;
          first.index = trial.index;
          out.signatures.push_back(std::move(first));
        }
        one.signature = at->second;
        CampaignSignature& signature = out.signatures[at->second];
        ++signature.count;
        if (signature.cells.empty() || signature.cells.back() != out.cells.size())
          signature.cells.push_back(out.cells.size());
      }
      cell.strip.push_back(std::move(one));
    }
    out.cells.push_back(std::move(cell));
  }
  return out;
}

CampaignEvidence evidence_of(const BatchRecord& batch) {
  CampaignEvidence out;
  for (const BatchPart& part : batch.parts)
    if (part.run) out.runs.emplace(part.run->id, *part.run);
  add_pictures(out, campaign_of(batch));
  return out;
}

}  // namespace ktrial::results
