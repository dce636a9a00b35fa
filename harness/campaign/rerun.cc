// A cell's trial as a command line.
#include "harness/campaign/session.h"
#include "harness/spec/parse.h"

namespace ktrial::campaign {

std::vector<std::string> rerun(const spec::PlanCell& cell, const spec::PlanBuild& build) {
  const spec::TrialSpec& spec = cell.spec;
  const spec::TrialSpec standard;
  std::vector<std::string> out{"ktrial", "run", "--kernel", spec.kernel};
  const auto add = [&](const char* flag, const std::string& value, bool differs) {
    if (differs) out.insert(out.end(), {flag, value});
  };
  if (spec.kernel.starts_with("git:")) {
    add("--tree", build.tree, true);
    for (const std::string& config : cell.config) add("--config", config, true);
    add("--base-config", build.base_config, !build.base_config.empty());
    add("--compiler", build.compiler, build.compiler != "gcc");
  }
  add("--workload", spec.workload, spec.command.empty());
  for (const auto& [key, value] : spec.parameters) add("--set", key + "=" + value, true);
  add("--cpus", std::to_string(spec.cpus), true);
  add("--memory", std::to_string(spec.memory_mib) + "M", spec.memory_mib != standard.memory_mib);
  if (spec.duration) add("--duration", spec::format_duration(*spec.duration), true);
  if (spec.timeout) add("--timeout", spec::format_duration(*spec.timeout), true);
  add("--trace", spec.trace, !spec.trace.empty());
  add("--trace-buffer", std::to_string(spec.trace_buffer_kib) + "K", spec.trace_buffer_kib != 0);
  add("--trace-clock", spec.trace_clock, !spec.trace_clock.empty());
  add("--trace-stop", spec.trace_stop, !spec.trace_stop.empty());
  if (spec.core) out.push_back("--core");
  for (const std::string& note : spec.fail_on) add("--fail-on", note, true);
  add("--accel", std::string(name(spec.accel)), spec.accel != standard.accel);
  add("--vmm", std::string(name(spec.vmm)), spec.vmm != standard.vmm);
  add("--connect", spec.connect, !spec.connect.empty());
  add("--channel", std::string(name(spec.channel)), spec.channel != standard.channel);
  add("--machine", spec.machine, spec.machine != standard.machine);
  add("--append", spec.append, !spec.append.empty());
  if (spec.one_thread) out.push_back("--one-thread");
  for (const std::string& place : spec.delay_at) add("--delay-at", place, true);
  add("--perturb", spec.perturb, !spec.perturb.empty());
  if (spec.deterministic) {
    out.push_back("--deterministic");
    add("--seed", std::to_string(spec.seed), true);
    add("--shift", std::to_string(spec.shift), true);
  }
  add("--root", spec.root, !spec.root.empty());
  add("--cwd", spec.cwd, !spec.cwd.empty());
  for (const std::string& variable : spec.env) add("--env", variable, true);
  for (const std::string& folder : spec.shares) add("--share", folder, true);
  add("--input", spec.input, !spec.input.empty());
  add("--output", spec.output, !spec.output.empty());
  if (!spec.command.empty()) {
    out.push_back("--");
    out.insert(out.end(), spec.command.begin(), spec.command.end());
  }
  return out;
}

}  // namespace ktrial::campaign
