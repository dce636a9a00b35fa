#include "results/report/batch.h"

#include <algorithm>

#include "harness/base/text.h"
#include "results/report/text.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {

// "3/0/1": passed, failed, inconclusive.
std::string counts(const RunRecord& run) {
  return std::to_string(count(run, Outcome::pass)) + "/" +
         std::to_string(count(run, Outcome::fail)) + "/" +
         std::to_string(count(run, Outcome::inconclusive));
}

Json common_spec(const BatchRecord& batch) {
  std::optional<Json> common;
  for (const BatchPart& part : batch.parts) {
    if (!part.run) continue;
    const Json spec = to_json(part.run->spec);
    if (!common) {
      common = spec;
      continue;
    }
    for (const auto& [key, value] : spec.items())
      if (common->contains(key) && (*common)[key] != value) common->erase(key);
  }
  return common.value_or(Json::object());
}

Json part_json(const BatchPart& part) {
  Json out;
  out["cell"] = part.cell;
  out["id"] = part.run ? Json(part.run->id) : Json();
  out["directory"] = part.run ? Json(part.run->directory.string()) : Json();
  out["outcome"] = part.run ? name(part.run->verdict.outcome) : name(Outcome::inconclusive);
  out["trials"] = part.run ? part.run->trials.size() : 0;
  if (part.run) out["spec"] = to_json(part.run->spec);
  out["problem"] = part.problem;
  return out;
}

std::string row(const BatchPart& part, std::size_t width, bool color) {
  std::string outcome = "-", trials = "-", id = "-", what = part.problem;
  Ink ink = Ink::unsure;
  if (part.run) {
    const RunRecord& run = *part.run;
    if (part.problem.empty() || !run.trials.empty()) {
      outcome = name(run.verdict.outcome);
      ink = ink_of(run.verdict.outcome);
    }
    trials = counts(run);
    id = run.id;
    if (what.empty())
      what = run.verdict.outcome == Outcome::fail ? run.verdict.title : run.verdict.reason;
  }
  return padded(cut(printable(part.cell), width), width + 2) +
         inked(padded(outcome, 14), ink, color) + padded(trials, 14) + padded(id, 26) +
         cut(printable(what.substr(0, what.find('\n'))), 100) + "\n";
}

std::string table(const BatchRecord& batch, const TextOptions& options) {
  constexpr std::size_t kWidest = 60;
  std::size_t width = 4;
  for (const BatchPart& part : batch.parts)
    width = std::min(kWidest, std::max(width, part.cell.size()));
  std::string out = "\n" +
                    inked(padded("cell", width + 2) + padded("outcome", 14) +
                              padded("pass/fail/?", 14) + padded("run", 26) + "what",
                          Ink::dim, options.color) +
                    "\n";
  // What is not a pass comes first, else it would be cut off; then in the order of the cells.
  std::vector<const BatchPart*> order;
  for (const BatchPart& part : batch.parts) order.push_back(&part);
  const std::size_t all = order.size();
  if (all > options.trial_lines) {
    std::ranges::stable_sort(order, {}, [](const BatchPart* part) {
      return part->problem.empty() && part->run && part->run->verdict.outcome == Outcome::pass;
    });
    order.resize(options.trial_lines);
    std::ranges::sort(order);
  }
  for (const BatchPart* part : order) out += row(*part, width, options.color);
  if (all > order.size()) out += "  ... and " + std::to_string(all - order.size()) + " more\n";
  return out;
}

// The run that stands for the whole, if one does.
const RunRecord* telling(const BatchRecord& batch, const RunRecord& whole) {
  if (whole.verdict.outcome == Outcome::pass) return nullptr;
  for (const BatchPart& part : batch.parts)
    if (part.run && part.run->verdict.outcome == whole.verdict.outcome &&
        !part.run->trials.empty() && part.run->verdict.signature == whole.verdict.signature)
      return &*part.run;
  return nullptr;
}

}  // namespace

BatchRecord batch_of(std::vector<RunRecord> runs) {
  BatchRecord out;
  bool open_ended = false;
  for (RunRecord& run : runs) {
    const TimePoint end = run.finished_at.value_or(run.started_at);
    out.started_at = out.parts.empty() ? run.started_at : std::min(out.started_at, run.started_at);
    out.finished_at = std::max(out.finished_at, end);
    open_ended = open_ended || run.spec.until_fail;
    out.expected += run.spec.until_fail ? 0 : run.spec.repeat;
    BatchPart part{.cell = run.part_of.cell, .problem = {}};
    if (run.state == RunState::running) part.problem = "the run goes on";
    if (run.state == RunState::interrupted) part.problem = "the run was interrupted";
    part.run = std::move(run);
    out.parts.push_back(std::move(part));
  }
  if (open_ended) out.expected = 0;
  return out;
}

std::string batch_json(const BatchRecord& batch) {
  Json out = document(to_json(merged(batch)));
  out["spec"] = common_spec(batch);
  std::size_t at = 0;
  out["runs"] = Json::array();
  for (const BatchPart& part : batch.parts) {
    out["runs"].push_back(part_json(part));
    if (!part.run) continue;
    for (std::size_t i = 0; i < part.run->trials.size(); ++i, ++at) {
      out["trials"][at]["run"] = part.run->id;
      out["trials"][at]["cell"] = part.cell;
    }
  }
  return dump(out);
}

std::string batch_text(const BatchRecord& batch, const TextOptions& options) {
  const RunRecord whole = merged(batch);
  const bool color = options.color;
  std::string word(name(whole.verdict.outcome));
  for (char& c : word)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  std::string out = inked(word, ink_of(whole.verdict.outcome), color);
  if (!whole.verdict.title.empty())
    out += "  " + inked(printable(whole.verdict.title), Ink::bold, color);
  out += "\n";
  const auto field = [&](const char* key, const std::string& value) {
    add_field(out, key, value, color);
  };
  field("reason", printable(whole.verdict.reason));
  field("signature", printable(whole.verdict.signature));
  field("trials", std::to_string(count(whole, Outcome::pass)) + " pass, " +
                      std::to_string(count(whole, Outcome::fail)) + " fail, " +
                      std::to_string(count(whole, Outcome::inconclusive)) + " inconclusive, in " +
                      std::to_string(batch.parts.size()) + " runs");
  field("time", spoken_seconds(
                    std::chrono::duration<double>(batch.finished_at - batch.started_at).count()) +
                    ", from " + to_text(batch.started_at));
  out += table(batch, options);
  if (const RunRecord* run = telling(batch, whole))
    out += "\n" + inked("Run " + run->id, Ink::bold, color) + "\n" + report_text(*run, options);
  return out;
}

}  // namespace ktrial::results
