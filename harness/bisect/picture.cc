#include "harness/bisect/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/base/text.h"
#include "results/store/json.h"

namespace ktrial::bisect {
namespace {

using results::Json;
using Index = CommitGraph::Index;
constexpr std::size_t kShown = 6;  // commits of the picture

std::vector<Index> likeliest(const Engine& engine, std::size_t count) {
  const auto posterior = engine.belief().posterior();
  std::vector<Index> order(posterior.size());
  std::iota(order.begin(), order.end(), 0);
  count = std::min(count, order.size());
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(count),
                            [&](Index a, Index b) { return posterior[a] > posterior[b]; });
  order.resize(count);
  return order;
}

std::string percent(double share) {
  if (share > 0.9995) return ">99.9 %";
  return share < 0.0005 ? "<0.1 %" : fmt::format("{:.1f} %", share * 100);
}

std::string short_id(std::string_view id) {
  const bool hash = id.size() == 40 && id.find_first_not_of("0123456789abcdef") == id.npos;
  return std::string(hash ? id.substr(0, 12) : id);
}

// Of a package, PACKAGE=VERSION, the version says it all.
std::string terse_id(std::string_view id) { return short_id(id.substr(id.find('=') + 1)); }

std::string spent_text(const Engine& engine) {
  const Spent& spent = engine.spent();
  return fmt::format("{} runs of {} kernels in {}", spent.runs, spent.builds,
                     spoken_seconds(spent.seconds));
}

std::string counts_text(const Counts& counts) {
  if (counts.runs() == 0) return "";
  return fmt::format("{}/{} failed", counts.fails, counts.fails + counts.passes);
}

const char* what_is_found(const Engine& engine) {
  return engine.settings().direction == Direction::bug ? "first bad" : "first good";
}

std::string named(const Engine& engine, Index commit) {
  const std::string id = short_id(engine.graph().id(commit));
  if (commit == engine.graph().old_end() || engine.graph().subject(commit).empty()) return id;
  return id + " " + engine.graph().subject(commit);
}

// What the answer is built of, for all three forms.
struct Answer {
  std::string outcome;  // found, undecided, ends_agree, out_of_budget
  std::string why;      // of those that found nothing
  std::vector<Index> commits;
  double probability = 0;
};

Answer answer_of(const Step& step) {
  if (const auto* found = std::get_if<Found>(&step))
    return {"found", "", {found->commit}, found->probability};
  if (const auto* open = std::get_if<Undecided>(&step))
    return {"undecided", "only skipped commits are left to test", open->commits, open->probability};
  if (const auto* agree = std::get_if<EndsAgree>(&step)) return {"ends_agree", agree->why, {}, 0};
  if (const auto* budget = std::get_if<OutOfBudget>(&step))
    return {"out_of_budget", budget->why, {}, 0};
  return {"running", "", {}, 0};
}

std::string evidence_lines(const Engine& engine, const Answer& answer) {
  std::string out;
  if (answer.outcome == "found")
    out += fmt::format("  evidence    {}\n", engine.evidence(answer.commits[0]).text());
  const RatePair rates = engine.belief().mean_rates();
  out += fmt::format("  fail rate   {:.2g} with the bug, {:.1g} without (estimated)\n",
                     rates.with_bug, rates.without_bug);
  return out + fmt::format("  spent       {}\n", spent_text(engine));
}

std::string answer_lines(const Engine& engine, const Answer& answer) {
  if (answer.outcome == "found") {
    std::string out = fmt::format("  {:<11} {}\n  confidence  {}\n", what_is_found(engine),
                                  named(engine, answer.commits[0]), percent(answer.probability));
    const auto parents = engine.graph().parents(answer.commits[0]);
    for (const Index parent : parents)
      out += fmt::format("  parent      {}\n", named(engine, parent));
    if (parents.empty())
      out += fmt::format("  parent      {}\n", named(engine, engine.graph().old_end()));
    return out;
  }
  std::string out;
  for (const Index commit : answer.commits)
    out += fmt::format("  perhaps     {}{}\n", named(engine, commit),
                       engine.skips().skipped(commit) ? " (skipped)" : "");
  if (answer.outcome == "out_of_budget")
    for (const Index commit : likeliest(engine, kShown))
      out += fmt::format("  {:>9}   {}\n", percent(engine.belief().posterior()[commit]),
                         named(engine, commit));
  return out;
}

std::string headline(const Engine& engine, const Answer& answer, const Story& story) {
  if (answer.outcome == "found")
    return fmt::format("{} {}", what_is_found(engine), story.kernel_kind);
  if (answer.outcome == "undecided")
    return fmt::format("{} of {} {}s, {} in all", what_is_found(engine), answer.commits.size(),
                       story.kernel_kind, percent(answer.probability));
  return (answer.outcome == "ends_agree" ? "nothing to bisect: " : "no answer: ") + answer.why;
}

}  // namespace

std::string status_line(const Engine& engine) {
  std::string out = spent_text(engine) + "; most likely";
  for (const Index commit : likeliest(engine, 3))
    out += fmt::format(" {} ({}),", terse_id(engine.graph().id(commit)),
                       percent(engine.belief().posterior()[commit]));
  out.pop_back();
  const Projection left = engine.projection();
  return out + fmt::format("; about {:.0f} runs, {} to go", std::ceil(left.runs),
                           spoken_seconds(left.seconds));
}

std::string picture(const Engine& engine, const Step& step, int width) {
  constexpr int kBar = 20;
  const auto fitting = [&](std::string line) {
    if (line.size() > static_cast<std::size_t>(std::max(width, 20)))
      line.resize(static_cast<std::size_t>(std::max(width, 20)));
    return line + "\n";
  };
  std::string out;
  for (const Index commit : likeliest(engine, kShown)) {
    const double share = engine.belief().posterior()[commit];
    const int full = static_cast<int>(std::lround(share * kBar));
    out += fitting(fmt::format("  {:>7}  {}{}  {}  {}", percent(share), std::string(full, '#'),
                               std::string(kBar - full, '.'), named(engine, commit),
                               counts_text(engine.belief().counts(commit))));
  }
  const Projection left = engine.projection();
  out += fitting(fmt::format("  {}; about {:.0f} runs and {:.0f} kernels, {} to go",
                             spent_text(engine), std::ceil(left.runs), std::ceil(left.builds),
                             spoken_seconds(left.seconds)));
  if (const auto* test = std::get_if<TestCommit>(&step))
    out +=
        fitting(fmt::format("  next: {}, up to {} runs", named(engine, test->commit), test->runs));
  return out;
}

std::string report_text(const Engine& engine, const Step& step, const Wanted& wanted,
                        const Story& story) {
  const Answer answer = answer_of(step);
  std::string out = headline(engine, answer, story) + "\n";
  // The title may name a victim, and differ from run to run; the signature does not.
  if (!wanted.title.empty())
    out += fmt::format("  failure     {} ({})\n", wanted.title, wanted.signature);
  out += answer_lines(engine, answer) + evidence_lines(engine, answer);
  for (const std::string& link : story.links) out += "  " + link + "\n";
  return out;
}

std::string mail_text(const Engine& engine, const Step& step, const Wanted& wanted,
                      const Story& story) {
  const Answer answer = answer_of(step);
  if (answer.outcome != "found") return "";
  const CommitGraph& graph = engine.graph();
  const Index commit = answer.commits[0];
  const bool bug = engine.settings().direction == Direction::bug;
  std::string out = fmt::format("Subject: [{}] {}\n\n", bug ? "REGRESSION" : "FIXED",
                                wanted.title.empty() ? "a failure" : wanted.title);
  out += fmt::format("The {} workload of ktrial {}:\n\n    {}\n\n", story.workload,
                     bug ? "fails since" : "fails no longer since", named(engine, commit));
  out += fmt::format("  failure     {} ({})\n", wanted.title, wanted.signature);
  out += answer_lines(engine, answer) + evidence_lines(engine, answer);
  out += "\nTested kernels (failed/judged runs):\n\n";
  if (const auto text = counts_text(engine.belief().counts(graph.old_end())); !text.empty())
    out += fmt::format("  {:<14} {}\n", text, named(engine, graph.old_end()));
  for (Index i = 0; i < graph.size(); ++i)
    if (const auto text = counts_text(engine.belief().counts(i)); !text.empty())
      out += fmt::format("  {:<14} {}\n", text, named(engine, i));
  out += fmt::format("\nTo repeat it:\n\n    {}\n", story.command);
  if (bug && story.kernel_kind == "commit")
    out += fmt::format("\n#regzbot introduced: {}\n", short_id(graph.id(commit)));
  return out;
}

std::string report_json(const Engine& engine, const Step& step, const Wanted& wanted,
                        const Story& story) {
  const Answer answer = answer_of(step);
  const CommitGraph& graph = engine.graph();
  auto commit_json = [&](Index i) {
    const Counts& counts = engine.belief().counts(i);
    const bool old = i == graph.old_end();
    return Json{{"id", graph.id(i)},
                {"subject", old ? "" : graph.subject(i)},
                {"probability", old ? 0 : engine.belief().posterior()[i]},
                {"fails", counts.fails},
                {"passes", counts.passes},
                {"other", counts.censored},
                {"skipped", !old && engine.skips().skipped(i)}};
  };
  Json out{{"outcome", answer.outcome},
           {"reason", answer.why},
           {"direction", engine.settings().direction == Direction::bug ? "bug" : "fix"},
           {"title", wanted.title},
           {"signature", wanted.signature},
           {"workload", story.workload},
           {"probability", answer.probability},
           {"culprits", Json::array()},
           {"tested", Json::array()},
           {"runs", engine.spent().runs},
           {"builds", engine.spent().builds},
           {"seconds", engine.spent().seconds}};
  for (const Index i : answer.commits) out["culprits"].push_back(commit_json(i));
  if (answer.outcome == "found") {
    const Evidence evidence = engine.evidence(answer.commits[0]);
    out["evidence"] = {{"text", evidence.text()}, {"p_value", evidence.p_value}};
  }
  for (Index i = 0; i <= graph.size(); ++i) {
    const Index at = i == 0 ? graph.old_end() : i - 1;  // the old end first
    const bool skipped = at != graph.old_end() && engine.skips().skipped(at);
    if (engine.belief().counts(at).runs() > 0 || skipped) out["tested"].push_back(commit_json(at));
  }
  return results::dump(results::document(std::move(out)));
}

}  // namespace ktrial::bisect
