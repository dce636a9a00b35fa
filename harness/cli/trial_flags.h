// What `ktrial run` and `ktrial bisect` ask alike: which trial; and how flags are read.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::cli {

// `into` by `parse`, if the flag was given; the error names the flag.
template <class T, class Parse>
Status read_flag(const char* flag, const std::string& text, T& into, Parse parse) {
  if (text.empty()) return {};
  auto value = parse(text);
  if (!value) return std::unexpected(std::move(value).error().in(flag));
  into = *std::move(value);
  return {};
}

// --results: the store's folder, as given or the default one.
std::filesystem::path results_dir(const std::string& flag);

struct TrialFlags {
  std::string spec_file, workload, memory, duration, timeout, trace_buffer, trace_clock, trace_stop,
      accel, vmm, connect, channel, machine, append, start, guest_seed, results,
      format = "text", root, cwd, input, output, perturb;
  bool one_thread = false;
  std::vector<std::string> settings, traces, fail_on, env, shares, delays;
  int cpus = 0;
  bool offline = false;
};

// --fail-on; `into` must live as long as the command.
void add_fail_on(CLI::App& command, std::vector<std::string>& into);

// `flags` must live as long as the command.
void add_trial_options(CLI::App& command, TrialFlags& flags);
// Machines that come back bit for bit (docs/replay.md).
struct DeterministicFlags {
  bool on = false;
  int seed = 0, shift = 0;
  void apply(spec::TrialSpec& spec) const;
};
// `what`: of --deterministic, for the help. `flags` must live as long as the command.
void add_deterministic_options(CLI::App& command, DeterministicFlags& flags,
                               const std::string& what);

// The specs of the file, or one with the defaults; flags win over the file, and `guest_command`
// (what stood after "--") over its workload. Not yet validated.
Result<std::vector<spec::TrialSpec>> specs_of(const TrialFlags& flags,
                                              const std::vector<std::string>& guest_command);

}  // namespace ktrial::cli
