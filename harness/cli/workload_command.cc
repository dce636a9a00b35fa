#include <fmt/ranges.h>

#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/spec/workload.h"
#include "harness/trial/plan.h"

namespace ktrial::cli {
namespace {

Result<int> list() {
  const auto payload = KTRIAL_TRY(trial::find_payload());
  for (const auto& info : KTRIAL_TRY(spec::list_workloads(payload / "workloads")))
    to_stdout("{:<16} {}\n", info.name, info.summary);
  return 0;
}

const char* type_name(spec::ParameterType type) {
  switch (type) {
    case spec::ParameterType::integer:
      return "int";
    case spec::ParameterType::string:
      return "string";
    case spec::ParameterType::boolean:
      return "bool";
  }
  std::abort();
}

Result<int> show(const std::string& name) {
  const auto payload = KTRIAL_TRY(trial::find_payload());
  const auto info = KTRIAL_TRY(spec::find_workload(payload / "workloads", name));
  to_stdout("{}: {}\n\n", info.name, info.summary);
  to_stdout("stresses:   {}\n", fmt::join(info.stresses, ", "));
  to_stdout("invariant:  {}\n", info.invariant);
  to_stdout("progress:   {}; suspicious after {:g} s without any\n", info.progress,
            info.stall_after_s);
  to_stdout("needs:      {} CPUs or more{}\n", info.min_cpus,
            info.needs_vsock ? ", a vsock channel" : "");
  if (!info.kconfig.empty()) to_stdout("kconfig:    {}\n", fmt::join(info.kconfig, ", "));
  if (!info.modules.empty()) to_stdout("modules:    {}\n", fmt::join(info.modules, ", "));
  if (info.parameters.empty()) return 0;
  to_stdout("\nparameters (--set KEY=VALUE):\n");
  for (const auto& parameter : info.parameters) {
    std::string range;
    if (parameter.min && parameter.max)
      range = fmt::format(" {}..{}", *parameter.min, *parameter.max);
    if (!parameter.choices.empty()) range = fmt::format(" {}", fmt::join(parameter.choices, "|"));
    to_stdout("  {:<14} {}{}, default {}\n      {}\n", parameter.name, type_name(parameter.type),
              range, parameter.default_value.empty() ? "\"\"" : parameter.default_value,
              parameter.help);
  }
  return 0;
}

}  // namespace

void add_workload(CLI::App& app, Action& action) {
  auto* workload = app.add_subcommand("workload", "What can be run in the guest");
  workload->require_subcommand(1);
  workload->add_subcommand("list", "Name and purpose of each workload")->callback([&action] {
    action = list;
  });
  auto* one = workload->add_subcommand("show", "Parameters, needs and invariant of one workload");
  auto name = std::make_shared<std::string>();
  one->add_option("NAME", *name, "As listed by `ktrial workload list`")->required();
  one->footer("Example:\n  ktrial workload show mmcid-vfork");
  one->callback([&action, name] { action = [name] { return show(*name); }; });
}

}  // namespace ktrial::cli
