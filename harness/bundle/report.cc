#include "harness/bundle/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "results/report/report.h"
#include "results/store/json_fields.h"

namespace ktrial::bundle {
namespace {
using results::Json;
using results::printable;

// ---- text

std::string table(const std::vector<Difference>& list) {
  std::size_t width = 0;
  for (const Difference& one : list) width = std::max(width, one.what.size());
  std::string out;
  for (const Difference& one : list)
    out += fmt::format("  {:<{}}  {} → {}\n", one.what, width, printable(one.then),
                       printable(one.now));
  return out;
}

std::string lines(const char* head, const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& one : list) out += fmt::format("{}: {}\n", head, printable(one));
  return out;
}

std::string size_text(std::uint64_t bytes) {
  return bytes < 10u << 20 ? fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024)
                           : fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

// ---- JSON

Json verdict_json(const results::Verdict& verdict) {
  return {{"outcome", name(verdict.outcome)}, {"title", verdict.title},
          {"kind", verdict.kind.name()},      {"culprit", verdict.culprit},
          {"signature", verdict.signature},   {"reason", verdict.reason}};
}

Json differences_json(const std::vector<Difference>& list) {
  Json out = Json::array();
  for (const Difference& one : list)
    out.push_back({{"what", one.what}, {"then", one.then}, {"now", one.now}});
  return out;
}

}  // namespace

std::string text_of(const Written& written, const std::string& file) {
  const Manifest& manifest = written.manifest;
  std::string out = fmt::format("{}: {}, trial {} of run {}\n\nIn it:\n", printable(file),
                                size_text(written.bytes), manifest.trial, manifest.run);
  for (const Content& one : manifest.contents)
    out += fmt::format("  {:<32} {:>11}\n", one.name, size_text(one.size));
  out += "\nNot in it:\n";
  for (const LeftOut& one : manifest.left_out)
    out += fmt::format("  {}: {}\n", printable(one.what), printable(one.how));
  return out;
}

std::string json_of(const Written& written, const std::string& file) {
  Json contents = Json::array(), gone = Json::array();
  for (const Content& one : written.manifest.contents)
    contents.push_back({{"name", one.name}, {"size", one.size}, {"sha256", one.sha256}});
  for (const LeftOut& one : written.manifest.left_out)
    gone.push_back({{"what", one.what}, {"how", one.how}});
  return results::dump(results::document({{"file", file},
                                          {"bytes", written.bytes},
                                          {"run", written.manifest.run},
                                          {"trial", written.manifest.trial},
                                          {"contents", contents},
                                          {"left_out", gone}}));
}

std::string text_of(const Replayed& replayed, const std::string& source) {
  const auto& now = replayed.now;
  std::string out = fmt::format("Replay of {}, trial {}\n\nthen:  {}\n", printable(source),
                                replayed.trial, printable(in_short(replayed.then)));
  const auto& trials = now.trials;
  if (trials.size() == 1) {
    out += fmt::format("now:   {}\n       {}\n", printable(in_short(trials[0].verdict)),
                       printable(trials[0].verdict.reason));
  } else {
    for (const auto& trial : trials)
      out += fmt::format("now {}: {}\n", trial.index, printable(in_short(trial.verdict)));
  }
  out += fmt::format("same:  {} of {}{}\n", replayed.same, trials.size(),
                     replayed.then.outcome == results::Outcome::fail
                         ? " failed with the same signature"
                         : " came to the same outcome");
  out += replayed.different.empty() ? "\nNothing differs in kernel, machine and host.\n"
                                    : "\nWhat differs:\n" + table(replayed.different);
  if (!replayed.notes.empty()) out += "\n" + lines("note", replayed.notes);
  return out + fmt::format("\nRun {}: {}\n", now.id, now.directory.string());
}

std::string json_of(const Replayed& replayed, const std::string& source) {
  Json run = results::document(to_json(replayed.now));
  return results::dump(results::document({{"mode", "run"},
                                          {"source", source},
                                          {"trial", replayed.trial},
                                          {"then", verdict_json(replayed.then)},
                                          {"outcome", name(replayed.now.verdict.outcome)},
                                          {"same", replayed.same},
                                          {"of", replayed.now.trials.size()},
                                          {"differences", differences_json(replayed.different)},
                                          {"notes", results::strings(replayed.notes)},
                                          {"run", run}}));
}

std::string text_of(const JudgedRun& judged, const Kept& kept) {
  std::string out = fmt::format("{} (recorded by ktrial {}), judged by the rules of ktrial {}\n",
                                printable(kept.name),
                                kept.run.recorded_by.empty() ? "of the time before versions"
                                                             : printable(kept.run.recorded_by),
                                results::ktrial_version());
  for (const Judged& one : judged.trials) {
    out +=
        fmt::format("\ntrial {}: {}\n", one.stored.index, printable(in_short(one.judged.verdict)));
    out += one.changed.empty() ? "  as it was recorded\n" : table(one.changed);
    out += lines("  assumed", one.assumed);
  }
  if (!judged.not_judged.empty()) out += "\n" + lines("not judged", judged.not_judged);
  return out;
}

std::string json_of(const JudgedRun& judged, const Kept& kept) {
  Json trials = Json::array();
  for (const Judged& one : judged.trials) {
    Json findings = Json::array();
    for (const auto& finding : one.judged.findings) findings.push_back(to_json(finding));
    trials.push_back({{"index", one.stored.index},
                      {"stored", verdict_json(one.stored.verdict)},
                      {"judged", verdict_json(one.judged.verdict)},
                      {"findings", findings},
                      {"changes", differences_json(one.changed)},
                      {"assumed", results::strings(one.assumed)}});
  }
  return results::dump(results::document({{"mode", "judge"},
                                          {"source", kept.name},
                                          {"recorded_by", kept.run.recorded_by},
                                          {"outcome", name(judged.verdict.outcome)},
                                          {"stored", verdict_json(judged.stored)},
                                          {"judged", verdict_json(judged.verdict)},
                                          {"trials", trials},
                                          {"not_judged", results::strings(judged.not_judged)}}));
}

std::string text_of(const Compared& compared, const std::string& a, const std::string& b) {
  std::string out = fmt::format("A: {}, trial {}: {}\nB: {}, trial {}: {}\n", printable(a),
                                compared.trial_a, printable(in_short(compared.a)), printable(b),
                                compared.trial_b, printable(in_short(compared.b)));
  out += compared.different.empty() ? "\nNothing differs in kernel, machine, host and verdict.\n"
                                    : "\nWhat differs:\n" + table(compared.different);
  if (!compared.console) return out + "\nThe consoles say the same, but for times and addresses.\n";
  const Parting& parting = *compared.console;
  return out + fmt::format("\nThe consoles part:\n  A, line {}: {}\n  B, line {}: {}\n",
                           parting.line_a, printable(parting.a), parting.line_b,
                           printable(parting.b));
}

std::string json_of(const Compared& compared, const std::string& a, const std::string& b) {
  Json console;
  if (const auto& parting = compared.console)
    console = {{"line_a", parting->line_a},
               {"a", parting->a},
               {"line_b", parting->line_b},
               {"b", parting->b}};
  return results::dump(results::document(
      {{"mode", "diff"},
       {"a", {{"source", a}, {"trial", compared.trial_a}, {"verdict", verdict_json(compared.a)}}},
       {"b", {{"source", b}, {"trial", compared.trial_b}, {"verdict", verdict_json(compared.b)}}},
       {"same_verdict", same_verdict(compared.a, compared.b)},
       {"differences", differences_json(compared.different)},
       {"console", console}}));
}

}  // namespace ktrial::bundle
