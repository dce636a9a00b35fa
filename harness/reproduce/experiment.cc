#include "harness/reproduce/experiment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "harness/arch/arch.h"
#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/mail/commands.h"
#include "harness/reproduce/config.h"
#include "harness/spec/parse.h"
#include "results/report/text.h"

namespace ktrial::reproduce {
namespace {

using mail::Fact;
using mail::Understanding;

constexpr std::size_t kMostWorkloads = 3;
constexpr int kFewestCpus = 2;

// Of a reported command line what changes how the kernel behaves: not what names devices, not what
// ktrial itself sets (consoles, detectors).
std::string append_of(const Understanding& report) {
  static const RE2 kTaken(
      R"(^(nohz_full|rcu_nocbs|isolcpus|preempt|transparent_hugepage|slub_debug|slab_debug|highres|nohz|threadirqs|rcutree\.[a-z_]+|idle|skew_tick|kasan_multi_shot|kasan\.[a-z_]+|kfence\.[a-z_]+|page_owner|debug_pagealloc|init_on_(alloc|free)|numa|hugepages|nopti|mitigations|cgroup_disable|workqueue\.[a-z_]+|sched_[a-z_]+|nosmt)(=[A-Za-z0-9_.,:/@+-]*)?$)");
  std::string out;
  for (const Fact* fact : report.find_all("cmdline"))
    if (full_match(fact->value, kTaken)) out += (out.empty() ? "" : " ") + fact->value;
  return out;
}

int reported_cpus(const Understanding& report, std::vector<std::string>& notes, int cores) {
  int cpus = 4;
  if (const Fact* fact = report.find("cpus"))
    cpus = to_number<int>(fact->value).value_or(4);
  else if (report.highest_cpu >= 0)
    cpus = std::max(cpus, report.highest_cpu + 1);
  const int most = std::max(8, 2 * cores);
  if (cpus > most) {
    notes.push_back(
        fmt::format("the report has {} CPUs; {} are tried: this host has {}", cpus, most, cores));
    cpus = most;
  }
  return std::max(cpus, 1);
}

// "fault=soft_lockup" of the report's command lines, where the workload takes it.
void take_parameters(const Understanding& report, const spec::WorkloadInfo& workload,
                     spec::TrialSpec& spec) {
  for (const Fact* fact : report.find_all("workload"))
    for (const std::string_view word : split(fact->value, ' ')) {
      const auto setting = spec::parse_setting(word);
      if (!setting) continue;
      auto with = spec.parameters;
      with[setting->first] = setting->second;
      if (spec::resolve_parameters(workload, with))
        spec.set_parameter(setting->first, setting->second, fact->value);
    }
}

class Designer {
 public:
  Designer(const Understanding& report, const Overrides& overrides, const Lab& lab,
           const std::string& program, Experiment& out)
      : report_(report), overrides_(overrides), lab_(lab), program_(program), out_(out) {}

  void settings() {
    spec::TrialSpec base = overrides_.spec;
    base.kernel = overrides_.kernel.empty() ? out_.kernel.reference : overrides_.kernel;
    if (base.kernel.empty()) base.kernel = spec::TrialSpec().kernel;
    if (!overrides_.cpus) base.cpus = reported_cpus(report_, out_.notes, lab_.cores);
    if (const std::string append = append_of(report_); !append.empty())
      base.append += (base.append.empty() ? "" : " ") + append;
    if (!overrides_.spec.command.empty()) return command(base, overrides_.spec.command, 1);
    if (overrides_.workload) {
      if (const auto* info = find(base.workload)) workload(base, *info, 1);
      return;
    }
    if (!program_.empty()) {
      std::vector<std::string> argv{program_};
      argv.insert(argv.end(), out_.program->arguments.begin(), out_.program->arguments.end());
      command(base, argv, 4);
    }
    double best = out_.workloads.empty() ? 1 : out_.workloads.front().score;
    std::size_t taken = 0;
    for (const Suspect& suspect : out_.workloads) {
      if (taken++ == kMostWorkloads || suspect.score * 4 < best) break;
      if (const auto* info = find(suspect.workload)) workload(base, *info, suspect.score / best);
    }
  }

 private:
  const spec::HintedWorkload* find(const std::string& name) const {
    const auto found = std::ranges::find_if(
        lab_.workloads, [&](const spec::HintedWorkload& one) { return one.info.name == name; });
    return found == lab_.workloads.end() ? nullptr : &*found;
  }

  void add(spec::TrialSpec spec, std::string what, std::string group, double prior) {
    out_.settings.push_back({std::move(spec), std::move(what), std::move(group), prior});
  }

  void command(const spec::TrialSpec& base, const std::vector<std::string>& argv, double prior) {
    spec::TrialSpec spec = base;
    spec.command = argv;
    spec.parameters.clear();
    machines(spec, 1, argv.front(), prior);
  }

  void workload(const spec::TrialSpec& base, const spec::HintedWorkload& hinted, double prior) {
    const spec::WorkloadInfo& info = hinted.info;
    spec::TrialSpec spec = base;
    spec.workload = info.name;
    if (!overrides_.workload) take_parameters(report_, info, spec);
    if (!overrides_.cpus) spec.cpus = std::max(spec.cpus, info.min_cpus);
    machines(spec, info.min_cpus, info.name, prior);
    for (const auto& [key, value] : hinted.races) {
      spec::TrialSpec one = spec;
      if (one.parameters.contains(key)) continue;
      one.set_parameter(key, value, "workload.toml: races");
      add(one, key + "=" + value, info.name, prior * 0.6);
    }
  }

  // The machine as it was reported, and its neighbours.
  void machines(const spec::TrialSpec& spec, int min_cpus, const std::string& group, double prior) {
    add(spec, report_.find("cpus") || overrides_.cpus ? "as reported" : "as ktrial would", group,
        prior);
    if (!overrides_.cpus) {
      const int more = std::min(spec.cpus * 2, std::max(8, 2 * lab_.cores));
      const int fewer = std::max({spec.cpus / 2, min_cpus, kFewestCpus});
      for (const auto& [cpus, weight] : {std::pair(more, 0.5), std::pair(fewer, 0.3)}) {
        if (cpus == spec.cpus) continue;
        spec::TrialSpec one = spec;
        one.cpus = cpus;
        add(one, fmt::format("{} CPUs", cpus), group, prior * weight);
      }
    }
    if (!overrides_.memory && wants_memory_pressure()) {
      spec::TrialSpec one = spec;
      one.memory_mib = std::max(spec.memory_mib / 2, 256);
      add(one, fmt::format("{} MiB", one.memory_mib), group, prior * 0.4);
    }
  }

  bool wants_memory_pressure() const {
    for (const char* word :
         {"oom", "reclaim", "kswapd", "memcg", "swap", "shrink_node", "compaction"})
      if (report_.words.contains(word)) return true;
    return false;
  }

  const Understanding& report_;
  const Overrides& overrides_;
  const Lab& lab_;
  const std::string& program_;
  Experiment& out_;
};

void note_config(const Understanding& report, const Lab& lab, Experiment& out) {
  std::set<std::string> wanted;
  for (const Fact* fact : report.find_all("config")) {
    out.config.push_back(fact->value);
    const std::size_t end = fact->value.find('=');
    if (!fact->value.starts_with("CONFIG_") || !fact->value.ends_with("=y")) continue;
    std::string name = fact->value.substr(7, end - 7);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    wanted.insert(name);
  }
  // Reports that only a checker can make.
  for (const mail::Failure& failure : out.expected.failures) {
    using enum results::Kind;
    for (const auto& [kind, name] :
         {std::pair(kasan, "kasan"), std::pair(kcsan, "kcsan"), std::pair(kmsan, "kmsan"),
          std::pair(kfence, "kfence"), std::pair(ubsan, "ubsan"), std::pair(lockdep, "lockdep"),
          std::pair(atomic_sleep, "atomic-sleep"), std::pair(memory_leak, "kmemleak")})
      if (failure.kind == kind) wanted.insert(name);
  }
  for (const std::string& fragment : lab.fragments)
    if (std::ranges::any_of(wanted, [&](const std::string& name) {
          return name.starts_with(fragment) || fragment.starts_with(name);
        }))
      out.fragments.push_back(fragment);
  if (!out.fragments.empty())
    out.notes.push_back(
        fmt::format("Debian's kernels are built without {}: a kernel that has it is --kernel "
                    "git:REV --tree DIR --config {}",
                    fmt::join(out.fragments, ", "), fmt::join(out.fragments, " --config ")));
}

// Where the chosen kernel is built otherwise than the report's.
void compare_config(const Lab& lab, Experiment& out) {
  if (out.config.empty() || out.kernel.reference.empty() || !lab.config_of) return;
  if (const auto config = lab.config_of(out.kernel.reference)) {
    std::ranges::move(config_differences(*config, out.config),
                      std::back_inserter(out.kernel.differs));
    return;
  }
  out.notes.push_back("the report's configuration is not compared: the kernel is not here yet");
}

// No word of a report is run by itself; who reads it may.
void note_commands(const Understanding& report, Experiment& out) {
  constexpr std::size_t kMost = 3;
  std::vector<std::string> commands;
  for (const Fact* fact : report.find_all("workload")) {
    const bool program = std::ranges::any_of(out.settings, [&](const Setting& setting) {
      return std::ranges::any_of(setting.spec.parameters, [&](const auto& parameter) {
        return fact->value.find(parameter.first + "=" + parameter.second) != std::string::npos;
      });
    });
    if (!program && mail::looks_like_command(fact->value)) commands.push_back(fact->value);
  }
  if (commands.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < std::min(kMost, commands.size()); ++i)
    list += (list.empty() ? "" : "; ") + commands[i];
  if (commands.size() > kMost) list += "; ...";
  const bool shell = commands.front().find_first_of("|&;<>()$`*?'\"") != std::string::npos ||
                     commands.front().starts_with("for ") || commands.front().starts_with("while ");
  std::vector<std::string> argv;
  if (shell)
    argv = {"sh", "-c", commands.front()};
  else
    for (const std::string_view word : split(commands.front(), ' '))
      if (!word.empty()) argv.emplace_back(word);
  out.notes.push_back(fmt::format(
      "the report runs what is not run here: {}. If you trust it, give it yourself: -- {}", list,
      results::shell_quoted(argv)));
}

void note_unknown(const Understanding& report, Experiment& out) {
  const auto ask = [&](std::string_view field, const char* what, const char* flag) {
    if (!report.find(field)) out.unknown.push_back({what, flag});
  };
  ask("signature", "how it fails (no log)", "give the console log as another REPORT");
  ask("release", "the kernel", "--kernel K");
  ask("cpus", "how many CPUs", "--cpus N");
  if (!report.find("workload") && !report.find("reproducer"))
    out.unknown.push_back({"what the machine was doing", "--workload W, or -- COMMAND"});
  if (const Fact* arch = report.find("arch"); arch && arch->value != arch::native().name)
    out.notes.push_back(
        fmt::format("the report is from {}; what runs here is x86_64: a failure of that "
                    "architecture's own code cannot be seen",
                    arch->value));
}

}  // namespace

std::optional<Program> program_of(const Understanding& report) {
  Program out;
  for (const mail::Source& source : report.sources)
    if (!source.text.empty() && out.text.empty()) out = {.name = source.name, .text = source.text};
  if (out.text.empty()) {
    const Fact* linked = report.find("reproducer");
    if (!linked) return std::nullopt;
    out.name = linked->value;
    return out;
  }
  out.threads = out.text.find("pthread") != out.text.npos;
  // "./repro 8": its arguments, where the program is plainly this one; nothing that a shell reads.
  static const RE2 kRun(R"(^(?:\./|/\S*/)?([\w.+-]+)((?:\s+[\w.,:=/+-]+)*)$)");
  const std::string stem = out.name.substr(0, out.name.rfind('.'));
  for (const Fact* fact : report.find_all("workload")) {
    std::string_view name, arguments;
    if (!full_match(fact->value, kRun, &name, &arguments)) continue;
    if (name != stem && name != "repro" && name != "reproducer" && name != "a.out") continue;
    for (const std::string_view word : split(arguments, ' ')) out.arguments.emplace_back(word);
    break;
  }
  return out;
}

Experiment design(const Understanding& report, const Overrides& overrides, const Lab& lab,
                  const std::string& program) {
  Experiment out;
  out.expected = expected_of(report);
  if (overrides.kernel.empty()) {
    out.kernel = choose_kernel(report, lab.packages);
  } else {
    if (const Fact* told = report.find("release")) out.kernel.wanted = told->value;
    out.kernel.reference = overrides.kernel;
    out.kernel.why = "--kernel says so";
  }
  const Release bad = parse_release(out.kernel.wanted);
  if (bad.known()) out.ends = bisection_ends(report, bad, lab.packages);
  for (Suspect& suspect : rank_workloads(report, lab.workloads))
    if (suspect.score > 0) out.workloads.push_back(std::move(suspect));
  out.program = program_of(report);
  for (const mail::Patch& patch : report.patches)
    for (const std::string& file : patch.files)
      if (std::ranges::find(out.patched, file) == out.patched.end()) out.patched.push_back(file);
  static const RE2 kPatchMail(R"(\[[^\]]*\bPATCH\b[^\]]*\])");
  if ((!out.patched.empty() || partial_match(report.subject, kPatchMail)) &&
      out.expected.failures.empty())
    out.notes.push_back("the report is a patch; the workloads above stress what it touches");
  if (out.workloads.empty() && !out.program && overrides.spec.command.empty() &&
      !overrides.workload)
    out.notes.push_back(
        "nothing in the report speaks for one of ktrial's workloads: name one with --workload, or "
        "a command after --");
  note_config(report, lab, out);
  compare_config(lab, out);
  note_unknown(report, out);
  Designer(report, overrides, lab, program, out).settings();
  std::ranges::stable_sort(out.settings, std::greater{}, &Setting::prior);
  if (overrides.spec.command.empty() && !overrides.workload) note_commands(report, out);
  return out;
}

std::vector<std::string> command_line(const spec::TrialSpec& spec) {
  const spec::TrialSpec defaults;
  std::vector<std::string> out{"ktrial", "run", "--kernel", spec.kernel};
  const auto flag = [&](const char* name, std::string value) {
    out.emplace_back(name);
    out.push_back(std::move(value));
  };
  if (spec.command.empty()) flag("--workload", spec.workload);
  for (const auto& [key, value] : spec.parameters) flag("--set", key + "=" + value);
  flag("--cpus", std::to_string(spec.cpus));
  if (spec.memory_mib != defaults.memory_mib)
    flag("--memory", std::to_string(spec.memory_mib) + "M");
  if (spec.duration) flag("--duration", spec::format_duration(*spec.duration));
  if (spec.timeout) flag("--timeout", spec::format_duration(*spec.timeout));
  if (spec.accel != defaults.accel) flag("--accel", std::string(spec::name(spec.accel)));
  if (spec.vmm != defaults.vmm) flag("--vmm", std::string(spec::name(spec.vmm)));
  if (spec.machine != defaults.machine) flag("--machine", spec.machine);
  if (spec.channel != defaults.channel) flag("--channel", std::string(spec::name(spec.channel)));
  if (!spec.append.empty()) flag("--append", spec.append);
  if (spec.one_thread) out.emplace_back("--one-thread");
  if (spec.deterministic) {
    out.emplace_back("--deterministic");
    flag("--seed", std::to_string(spec.seed));
    flag("--shift", std::to_string(spec.shift));
  }
  for (const std::string& place : spec.delay_at) flag("--delay-at", place);
  if (!spec.perturb.empty()) flag("--perturb", spec.perturb);
  if (!spec.command.empty()) {
    out.emplace_back("--");
    out.insert(out.end(), spec.command.begin(), spec.command.end());
  }
  return out;
}

}  // namespace ktrial::reproduce
