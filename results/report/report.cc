#include "results/report/report.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "harness/base/text.h"
#include "results/numbers.h"
#include "results/report/text.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {

constexpr std::size_t kColumns = 160;  // a line of evidence is cut there

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string kernel_line(const RunRecord& run) {
  std::string out = printable(run.spec.kernel);
  for (const TrialRecord& trial : run.trials)
    if (std::string release = fact(trial.facts, "kernel_release"); !release.empty())
      return out + (out == release ? "" : " (" + printable(release) + ")");
  return out;
}

std::string workload_line(const SpecSummary& spec) {
  std::string out = spec.workload.empty() ? printable(shell_quoted(spec.command)) : spec.workload;
  for (const auto& [key, value] : spec.parameters) out += " " + printable(key + "=" + value);
  if (spec.duration_s > 0) out += " for " + spoken_seconds(spec.duration_s);
  return out;
}

// What the trials really ran on; the spec may say "auto".
std::string machine_line(const RunRecord& run) {
  std::string out =
      std::to_string(run.spec.cpus) + " CPUs, " + std::to_string(run.spec.memory_mib) + " MiB";
  std::vector<std::string> seen;
  for (const TrialRecord& t : run.trials) {
    std::string one;
    for (const std::string& part : {t.vmm, t.accel, t.channel})
      if (!part.empty()) one += (one.empty() ? "" : ", ") + part;
    if (!one.empty() && std::ranges::find(seen, one) == seen.end()) seen.push_back(one);
  }
  for (const std::string& one : seen) out += (&one == &seen.front() ? "; " : " / ") + one;
  return out;
}

std::string counts_line(const RunRecord& run) {
  std::string out = std::to_string(count(run, Outcome::pass)) + " pass, " +
                    std::to_string(count(run, Outcome::fail)) + " fail, " +
                    std::to_string(count(run, Outcome::inconclusive)) + " inconclusive";
  if (run.state == RunState::running) out += " so far; the run goes on";
  if (run.state == RunState::interrupted) out += "; the run was interrupted";
  return out;
}

std::string trial_line(const TrialRecord& trial, bool color) {
  const std::string what = trial.verdict.outcome == Outcome::fail && !trial.verdict.title.empty()
                               ? trial.verdict.title
                               : trial.verdict.reason;
  std::string number = std::to_string(trial.index);
  if (number.size() < 5) number.insert(0, 5 - number.size(), ' ');
  return number + "  " +
         inked(padded(std::string(name(trial.verdict.outcome)), 12), ink_of(trial.verdict.outcome),
               color) +
         "  " + padded(spoken_seconds(trial.duration_s), 12) +
         padded(trial.boot_s > 0 ? spoken_seconds(trial.boot_s) : "-", 10) +
         cut(printable(what), 100) + "\n";
}

std::string trials_table(const RunRecord& run, const TextOptions& options) {
  if (run.trials.size() < 2) return {};
  std::vector<const TrialRecord*> order;
  for (const TrialRecord& trial : run.trials) order.push_back(&trial);
  const bool all = order.size() <= options.trial_lines;
  if (!all) {
    // What is not a pass comes first, else it would be cut off.
    std::ranges::stable_sort(order, {}, [](const TrialRecord* t) {
      return t->verdict.outcome == Outcome::fail           ? 0
             : t->verdict.outcome == Outcome::inconclusive ? 1
                                                           : 2;
    });
    order.resize(options.trial_lines);
    std::ranges::sort(order, {}, &TrialRecord::index);
  }
  std::string out =
      "\n" + inked("trial  outcome       time        boot      what", Ink::dim, options.color) +
      "\n";
  for (const TrialRecord* trial : order) out += trial_line(*trial, options.color);
  if (!all) out += "  ... and " + std::to_string(run.trials.size() - order.size()) + " more\n";
  return out;
}

// The first `limit` lines, each cut to what a terminal shows.
std::string block_of(std::string_view rest, std::size_t limit, std::string_view file) {
  std::string out;
  for (std::size_t n = 0; !rest.empty(); ++n) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (n == limit) {
      out += "    ... more in " + std::string(file) + "\n";
      break;
    }
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) out += "    " + cut(printable(line.substr(0, 4 * kColumns)), kColumns);
    out += "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

std::string incident_of(const TrialRecord& trial, const TextOptions& options) {
  if (trial.incident.empty()) return {};
  const std::string name = ": trial " + std::to_string(trial.index);
  std::string out =
      "\n" + inked("Incident", Ink::bold, options.color) + name + ", in causal order\n";
  for (const std::string& line : trial.incident.chain)
    out += "    " + cut(printable(line), kColumns) + "\n";
  for (const std::string& line : trial.incident.victims)
    out += "    victim: " + cut(printable(line), kColumns) + "\n";
  if (!trial.incident.no_autopsy.empty())
    out += "    no autopsy: " + printable(trial.incident.no_autopsy) + "\n";
  if (trial.incident.autopsy.empty()) return out;
  // A page has a stack for each vCPU: longer than an excerpt, still a page.
  return out + "\n" + inked("Autopsy", Ink::bold, options.color) + name + ", autopsy.txt\n" +
         block_of(trial.incident.autopsy, 4 * options.excerpt_lines, "autopsy.txt");
}

std::string when(double seconds) {
  char out[48];
  std::snprintf(out, sizeof out, "%.6f s", seconds);
  return out;
}

std::string cpu_line(const TraceStory::Cpu& one, double end_s) {
  std::string out = "CPU " + std::to_string(one.cpu) + "  last at " + when(one.last_s) + ", " +
                    when(std::max(0.0, end_s - one.last_s)) + " before the end: " + one.last;
  if (one.unfinished) out += ", begun, not ended";
  if (one.gap_s > 0)
    out += "; longest gap " + when(one.gap_s) +
           (one.gap_open ? " to the end" : " from " + when(one.gap_from_s)) +
           (one.gap_idle ? ", idle" : "");
  return out;
}

// At most `most` of them, and how many were left out.
template <class T, class F>
void some_lines(std::vector<std::string>& out, const std::vector<T>& all, std::size_t most,
                F line) {
  for (std::size_t i = 0; i < all.size() && i < most; ++i) out.push_back(line(all[i]));
  if (all.size() > most) out.push_back("... " + std::to_string(all.size() - most) + " more");
}

std::vector<std::string> fork_lines(const TraceStory& story) {
  constexpr std::size_t kMostNamed = 3, kMostForks = 4;
  std::vector<TraceStory::Fork> lost;
  std::string chain;
  for (const TraceStory::Fork& one : story.forks) {
    if (!one.ran) lost.push_back(one);
  }
  const std::size_t all = story.forks.size();
  for (std::size_t i = all - std::min(all, kMostForks); i < all; ++i)
    chain += (chain.empty() ? "" : ", ") + story.forks[i].parent + " -> " + story.forks[i].child;
  std::ranges::stable_sort(lost, std::ranges::greater{}, &TraceStory::Fork::parent_waits);
  std::vector<std::string> out;
  some_lines(out, lost, kMostNamed, [](const TraceStory::Fork& one) {
    return "never ran: " + one.child + ", made at " + when(one.at_s) + " on CPU " +
           std::to_string(one.cpu) + " by " + one.parent +
           (one.parent_waits ? ", which waits for it in state D (vfork)" : "");
  });
  if (!chain.empty()) out.push_back("last forks: " + chain);
  return out;
}

// What the kernel's trace tells, in some fifteen lines.
std::string trace_of(const TrialRecord& trial, const TextOptions& options) {
  constexpr std::size_t kMostCpus = 6, kMostHeld = 2;
  const TraceStory& story = trial.trace;
  if (story.empty()) return {};
  std::vector<std::string> lines;
  some_lines(lines, story.missing, 1, [](const std::string& why) { return "PARTIAL: " + why; });
  some_lines(lines, story.cpus, kMostCpus,
             [&](const TraceStory::Cpu& one) { return cpu_line(one, story.end_s); });
  some_lines(lines, story.held_off, kMostHeld, [](const TraceStory::Held& one) {
    return "in state D since " + when(one.since_s) + ": " + one.task +
           (one.child.empty() ? ""
                              : "; its last child is " + one.child +
                                    (one.child_ran ? ", which ran" : ", which never ran"));
  });
  for (std::string& line : fork_lines(story)) lines.push_back(std::move(line));
  std::string out = "\n" + inked("Trace", Ink::bold, options.color) + ": trial " +
                    std::to_string(trial.index) + ", " + std::to_string(story.events) +
                    " events from " + printable(story.source) + ", " + when(story.begin_s) +
                    " to " + when(story.end_s) + "; trace.txt\n";
  for (const std::string& line : lines) out += "    " + cut(printable(line), kColumns) + "\n";
  return out;
}

// The bad ones first of all; those that passed are a number.
std::string subtests_of(const TrialRecord& trial, const TextOptions& options) {
  if (trial.subtests.empty()) return {};
  std::map<std::string, std::size_t> counts;
  for (const Subtest& test : trial.subtests) ++counts[test.result];
  std::string out =
      "\n" + inked("Subtests", Ink::bold, options.color) + ": trial " + std::to_string(trial.index);
  for (const auto& [result, count] : counts)
    out += ", " + std::to_string(count) + " " + printable(result);
  out += "\n";
  std::size_t shown = 0;
  for (const Subtest& test : trial.subtests) {
    if (!test.bad()) continue;
    if (++shown > options.excerpt_lines) return out + "    ...\n";
    out += "    " +
           cut(printable(test.result + "  " + test.name +
                         (test.reason.empty() ? "" : ": " + test.reason)),
               kColumns) +
           "\n";
  }
  return out;
}

// The trial that stands for the run, and its finding that gave the title.
std::string evidence(const RunRecord& run, const TextOptions& options) {
  auto trial = std::ranges::find_if(run.trials, [&](const TrialRecord& t) {
    return t.verdict.outcome == run.verdict.outcome &&
           t.verdict.signature == run.verdict.signature && t.verdict.title == run.verdict.title;
  });
  if (run.verdict.outcome == Outcome::pass || trial == run.trials.end()) return {};
  const std::string incident =
      incident_of(*trial, options) + trace_of(*trial, options) + subtests_of(*trial, options);
  if (trial->findings.empty()) return incident;
  auto finding = std::ranges::find(trial->findings, trial->verdict.title, &Finding::title);
  if (finding == trial->findings.end()) finding = trial->findings.begin();
  std::string out = "\n" + inked("Evidence", Ink::bold, options.color) + ": trial " +
                    std::to_string(trial->index) + ", console.log " + where(*finding) + "\n";
  out += block_of(finding->excerpt, options.excerpt_lines, "console.log");
  if (std::size_t more = trial->findings.size() - 1; more > 0)
    out += "    (" + std::to_string(more) + (more == 1 ? " more report" : " more reports") +
           " in this trial)\n";
  return out + incident;
}

// What its workload counted: medians over the trials, and between what they lie.
std::string numbers(const RunRecord& run, const TextOptions& options) {
  const std::vector<NumberRange> all = numbers_of(run);
  if (all.empty()) return {};
  std::string out = "\n" + inked("Numbers", Ink::bold, options.color) + ": " +
                    std::to_string(run.trials.size()) +
                    (run.trials.size() == 1 ? " trial\n" : " trials, medians\n");
  for (const NumberRange& one : all) out += "    " + printable(to_text(one)) + "\n";
  return out;
}

std::string again(const RunRecord& run) {
  if (run.argv.empty()) return {};
  std::string command = shell_quoted(run.argv);
  if (!run.working_dir.empty())
    command = "cd " + shell_quoted({run.working_dir.string()}) + " && " + command;
  return printable(command);
}

}  // namespace

std::string report_json(const RunRecord& run) { return dump(document(to_json(run))); }

bool wants_color(bool is_terminal, const char* no_color, const char* term) {
  if (!is_terminal || (no_color && *no_color)) return false;
  return term && *term && std::string_view(term) != "dumb";
}

std::string report_text(const RunRecord& run, const TextOptions& options) {
  const bool color = options.color;
  std::string out = inked(upper(name(run.verdict.outcome)), ink_of(run.verdict.outcome), color);
  if (!run.verdict.title.empty())
    out += "  " + inked(printable(run.verdict.title), Ink::bold, color);
  out += "\n";
  add_field(out, "reason", printable(run.verdict.reason), color);
  add_field(out, "culprit", printable(run.verdict.culprit), color);
  add_field(out, "signature", printable(run.verdict.signature), color);
  add_field(out, "kernel", kernel_line(run), color);
  add_field(out, "workload", workload_line(run.spec), color);
  add_field(out, "machine", machine_line(run), color);
  add_field(out, "trials", counts_line(run), color);
  for (const std::string& why : run.unreadable) add_field(out, "damaged", printable(why), color);
  if (run.finished_at)
    add_field(
        out, "time",
        spoken_seconds(std::chrono::duration<double>(*run.finished_at - run.started_at).count()) +
            ", from " + to_text(run.started_at),
        color);
  out += trials_table(run, options);
  out += evidence(run, options) + numbers(run, options);
  out += "\n";
  add_field(out, "artifacts", printable(run.directory.string()), color);
  add_field(out, "run again", again(run), color);
  if (run.verdict.outcome == Outcome::fail && !run.id.empty())
    add_field(out, "details", "ktrial report " + run.id + " --format json", color);
  return out;
}

std::string list_json(const std::vector<RunSummary>& runs) {
  Json list = Json::array();
  for (const RunSummary& run : runs)
    list.push_back({{"id", run.id},
                    {"state", name(run.state)},
                    {"outcome", name(run.outcome)},
                    {"title", run.title},
                    {"signature", run.signature},
                    {"kernel", run.kernel},
                    {"workload", run.workload},
                    {"started_at", run.started_at},
                    {"passed", run.passed},
                    {"failed", run.failed},
                    {"inconclusive", run.inconclusive}});
  return dump(document({{"runs", std::move(list)}}));
}

std::string list_text(const std::vector<RunSummary>& runs, const TextOptions& options) {
  if (runs.empty()) return "no runs yet\n";
  std::string out = inked(padded("run", 26) + padded("outcome", 14) + padded("pass/fail/?", 14) +
                              padded("kernel", 32) + padded("workload", 16) + "title",
                          Ink::dim, options.color) +
                    "\n";
  for (const RunSummary& run : runs) {
    const std::string trials = std::to_string(run.passed) + "/" + std::to_string(run.failed) + "/" +
                               std::to_string(run.inconclusive);
    const std::string outcome(run.state == RunState::finished ? name(run.outcome)
                                                              : name(run.state));
    const Ink ink = run.state == RunState::finished ? ink_of(run.outcome) : Ink::unsure;
    out += padded(run.id, 26) + inked(padded(outcome, 14), ink, options.color) +
           padded(trials, 14) + padded(cut(printable(run.kernel), 28), 32) +
           padded(cut(printable(run.workload), 14), 16) + cut(printable(run.title), 80) + "\n";
  }
  return out;
}

}  // namespace ktrial::results
