#include "results/report/mail.h"

#include <algorithm>
#include <cmath>

#include "harness/base/text.h"
#include "results/report/batch.h"
#include "results/report/campaign.h"
#include "results/report/campaign_words.h"
#include "results/report/letter.h"
#include "results/report/suite.h"
#include "results/report/text.h"

namespace ktrial::results {
namespace {

constexpr std::size_t kReportLines = 24, kChainLines = 8;

std::string release_of(const RunRecord& run) {
  for (const TrialRecord& trial : run.trials) {
    if (!trial.kernel.release.empty()) return trial.kernel.release;
    if (std::string release = fact(trial.facts, "kernel_release"); !release.empty()) return release;
  }
  return run.spec.kernel;
}

std::string interval_text(const RateInterval& rate, double confidence) {
  return "between " + percent(rate.low) + " and " + percent(rate.high) + " at " +
         std::to_string(std::lround(100 * confidence)) + " %";
}

std::string workload_of(const SpecSummary& spec) {
  std::string out = spec.workload.empty() ? shell_quoted(spec.command) : spec.workload;
  for (const auto& [key, value] : spec.parameters) out += " " + key + "=" + value;
  return out;
}

// The part of a console report that a reader looks at first: without the printk prefix, which
// takes a fifth of the columns.
std::vector<std::string> report_lines(const Finding& finding) {
  std::vector<std::string> out = safe_lines(finding.excerpt, kReportLines);
  for (std::string& line : out) {
    const std::size_t end = line.find("] ");
    if (line.starts_with('[') && end != std::string::npos &&
        line.find_first_not_of("0123456789. T", 1) >= end)
      line.erase(0, end + 2);
  }
  return out;
}

void put_evidence(Letter& letter, const TrialRecord& trial) {
  if (!trial.incident.chain.empty()) {
    letter.blank();
    letter.paragraph("What led to what:");
    letter.blank();
    for (std::size_t i = 0; i < std::min(kChainLines, trial.incident.chain.size()); ++i)
      letter.lines(trial.incident.chain[i]);
  }
  if (const Finding* finding = telling_finding(trial)) {
    letter.blank();
    letter.paragraph("The kernel's report (console.log, " + where(*finding) + "):");
    letter.blank();
    letter.lines(report_lines(*finding));
  }
}

void put_kernel(Letter& letter, const TrialRecord& trial) {
  letter.field("commit", trial.kernel.commit);
  letter.field("compiler", trial.kernel.compiler);
  letter.field("config",
               trial.kernel.config_sha256.empty() ? "" : "sha256 " + trial.kernel.config_sha256);
}

void put_command(Letter& letter, const RunRecord& run) {
  if (run.argv.empty()) return;
  letter.blank();
  letter.paragraph("To run it again:");
  letter.blank();
  letter.command(run.argv, run.working_dir.string());
}

void put_end(Letter& letter) {
  letter.blank();
  letter.paragraph("Found by ktrial " + std::string(ktrial_version()) + ".");
}

const TrialRecord* telling_trial(const RunRecord& run) {
  const auto it = std::ranges::find_if(run.trials, [&](const TrialRecord& trial) {
    return trial.verdict.outcome == run.verdict.outcome &&
           trial.verdict.signature == run.verdict.signature;
  });
  return it == run.trials.end() ? nullptr : &*it;
}

std::string frequency_of(const RunRecord& run, const MailOptions& options) {
  const std::size_t failed =
      static_cast<std::size_t>(std::ranges::count_if(run.trials, [&](const TrialRecord& trial) {
        return trial.verdict.outcome == Outcome::fail &&
               trial.verdict.signature == run.verdict.signature;
      }));
  const std::size_t judged = count(run, Outcome::pass) + count(run, Outcome::fail);
  std::string out = std::to_string(failed) + " of " + counted(judged, "trial");
  if (options.rate) out += "; the true rate is " + interval_text(*options.rate, options.confidence);
  if (const std::size_t odd = count(run, Outcome::inconclusive); odd > 0)
    out += "; " + std::to_string(odd) + " more could not be judged";
  return out;
}

std::string run_mail(const RunRecord& run, const MailOptions& options) {
  const bool failed = run.verdict.outcome == Outcome::fail;
  const std::string what =
      failed && !run.verdict.title.empty()
          ? run.verdict.title
          : std::string(name(run.verdict.outcome)) + ": " + workload_of(run.spec);
  Letter letter("[ktrial] " + what + " on " + release_of(run));
  letter.paragraph(what);
  letter.blank();
  letter.field("kernel", release_of(run));
  if (release_of(run) != run.spec.kernel) letter.field("from", run.spec.kernel);
  const TrialRecord* trial = telling_trial(run);
  if (trial) put_kernel(letter, *trial);
  letter.field("machine",
               counted(static_cast<std::size_t>(std::max(0, run.spec.cpus)), "CPU") + ", " +
                   std::to_string(run.spec.memory_mib) + " MiB" +
                   (trial && !trial->accel.empty() ? ", QEMU with " + trial->accel : ""));
  letter.field("workload", workload_of(run.spec));
  letter.field(failed ? "how often" : "trials",
               failed ? frequency_of(run, options)
                      : counted(count(run, Outcome::pass), "pass") + ", " +
                            std::to_string(count(run, Outcome::inconclusive)) + " not judged");
  letter.field("culprit", run.verdict.culprit);
  letter.field("signature", run.verdict.signature);
  letter.field("because", run.verdict.reason);
  if (trial && run.verdict.outcome != Outcome::pass) put_evidence(letter, *trial);
  put_command(letter, run);
  put_end(letter);
  return letter.take();
}

std::string cell_text(const CampaignCell& cell) {
  std::string out;
  for (const auto& [key, value] : cell.axes) out += (out.empty() ? "" : ", ") + key + " " + value;
  return out;
}

std::string standing_text(const CampaignSignature& signature) {
  std::string out(name(signature.standing));
  if (signature.known)
    out += signature.known->expired
               ? "; the plan's word that it is known ended " + signature.known->until
           : signature.known->until.empty() ? "; known to the plan"
                                            : "; known to the plan until " + signature.known->until;
  return out;
}

void put_signature(Letter& letter, const CampaignRecord& campaign,
                   const CampaignSignature& signature, const CampaignEvidence& evidence,
                   bool in_full) {
  letter.blank();
  letter.paragraph(signature.title.empty() ? signature.signature : signature.title);
  letter.blank();
  letter.field("state", standing_text(signature));
  letter.field("because", signature.why);
  letter.field("seen", seen_text(signature));
  for (std::size_t i = 0; i < std::min<std::size_t>(4, signature.cells.size()); ++i)
    if (const std::size_t at = signature.cells[i]; at < campaign.cells.size()) {
      const CampaignCell& cell = campaign.cells[at];
      letter.field("in", cell_text(cell) + ": " + std::to_string(cell.fail) + " of " +
                             std::to_string(cell.pass + cell.fail) + " failed, rate " +
                             interval_text(cell.rate, campaign.confidence));
    }
  letter.field("common", signature.common);
  letter.field("culprit", signature.culprit);
  if (signature.known) letter.field("link", signature.known->link);
  if (!in_full) return;
  if (const TrialRecord* trial = evidence.trial(signature.run, signature.index))
    put_evidence(letter, *trial);
  if (const auto run = evidence.runs.find(signature.run); run != evidence.runs.end())
    put_command(letter, run->second);
}

}  // namespace

std::string batch_mail(const BatchRecord& batch, const MailOptions& options) {
  const RunRecord whole = merged(batch);
  const RunRecord* telling = nullptr;
  for (const BatchPart& part : batch.parts)
    if (part.run && !telling && part.run->verdict.outcome == whole.verdict.outcome &&
        part.run->verdict.signature == whole.verdict.signature)
      telling = &*part.run;
  return run_mail(telling ? *telling : whole, options);
}

std::string campaign_mail(const CampaignRecord& campaign, const CampaignEvidence& evidence) {
  constexpr std::size_t kInFull = 3, kMost = 20;
  const auto fresh = static_cast<std::size_t>(
      std::ranges::count(campaign.signatures, Standing::fresh, &CampaignSignature::standing));
  std::size_t pass = 0, fail = 0, odd = 0;
  for (const CampaignCell& cell : campaign.cells) {
    pass += static_cast<std::size_t>(cell.pass);
    fail += static_cast<std::size_t>(cell.fail);
    odd += static_cast<std::size_t>(cell.inconclusive);
  }
  Letter letter("[ktrial] " + campaign.name + ": " +
                (fresh > 0  ? counted(fresh, "new failure")
                 : fail > 0 ? "nothing new, " + counted(fail, "failed trial")
                            : "no failure") +
                ", night " + campaign.id);
  letter.paragraph("Campaign " + campaign.name + ", night " + campaign.id + ": " +
                   counted(pass + fail + odd, "trial") + " in " +
                   counted(campaign.cells.size(), "cell") + "; " + std::to_string(pass) +
                   " passed, " + std::to_string(fail) + " failed, " + std::to_string(odd) +
                   " could not be judged.");
  if (campaign.state != RunState::finished)
    letter.paragraph("The night is not over, or was interrupted: this is what there is so far.");
  std::size_t shown = 0;
  for (const CampaignSignature& signature : campaign.signatures) {
    if (shown == kMost) {
      letter.blank();
      letter.paragraph("... and " + std::to_string(campaign.signatures.size() - kMost) + " more.");
      break;
    }
    put_signature(letter, campaign, signature, evidence, shown++ < kInFull);
  }
  if (!campaign.lost.empty()) {
    letter.blank();
    letter.paragraph(counted(campaign.lost.size(), "job") + " left no record:");
    letter.blank();
    for (std::size_t i = 0; i < std::min<std::size_t>(5, campaign.lost.size()); ++i)
      letter.lines(campaign.lost[i]);
  }
  put_end(letter);
  return letter.take();
}

}  // namespace ktrial::results
