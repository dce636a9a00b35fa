// One function a subcommand. Each adds its flags to `app` and returns, through
// `action`, what to do once the command line was parsed: that returns the exit
// status or an Error, which main() prints.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::cli {

using Action = std::function<Result<int>()>;

// The command line as given, and what stood after its first "--".
struct Invocation {
  std::vector<std::string> argv;
  std::vector<std::string> command;
};

// All of them, in the order of the help.
void add_commands(CLI::App& app, Action& action, const Invocation& invocation);

void add_run(CLI::App& app, Action& action, const Invocation& invocation);
void add_shell(CLI::App& app, Action& action, const Invocation& invocation);
void add_job(CLI::App& app, Action& action);
void add_analyze(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_workload(CLI::App& app, Action& action);
void add_bisect(CLI::App& app, Action& action, const Invocation& invocation);
void add_campaign(CLI::App& app, Action& action, const Invocation& invocation);
void add_compare(CLI::App& app, Action& action, const Invocation& invocation);
void add_reproduce(CLI::App& app, Action& action, const Invocation& invocation);
void add_kernel(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_replay(CLI::App& app, Action& action, const Invocation& invocation);
void add_trace(CLI::App& app, Action& action);
void add_open(CLI::App& app, Action& action);
void add_gdb(CLI::App& app, Action& action, const Invocation& invocation);
void add_drgn(CLI::App& app, Action& action);
void add_selftest(CLI::App& app, Action& action, const Invocation& invocation);
void add_completion(CLI::App& app, Action& action);
void add_manual(CLI::App& app, Action& action);

}  // namespace ktrial::cli
