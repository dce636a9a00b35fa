// What to run to see a report's failure: which kernel, which workloads, in which settings. Pure.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/reproduce/kernels.h"
#include "harness/reproduce/match.h"
#include "harness/reproduce/suspects.h"
#include "harness/spec/spec.h"
#include "harness/spec/workload.h"
#include "harness/spec/workload_hints.h"

namespace ktrial::reproduce {

// One way to try it.
struct Setting {
  spec::TrialSpec spec;
  std::string what;   // "as reported", "overcommit=2"
  std::string group;  // what it runs: settings of one group share their fate
  double prior = 1;   // how promising, before anything ran
};

// What the report leaves open, and the flag that tells it.
struct Unknown {
  std::string what, flag;
};

// The report's program, as a command in the guest.
struct Program {
  std::string name;                    // as the report has it
  std::string text;                    // its source; empty: only linked
  std::vector<std::string> arguments;  // as the report runs it
  bool threads = false;                // wants -pthread
};

struct Experiment {
  Expected expected;
  KernelChoice kernel;
  Ends ends;                           // for a bisection
  std::vector<std::string> config;     // that the report asks of the kernel
  std::vector<std::string> fragments;  // of `ktrial kernel build --config` that give it
  std::vector<Suspect> workloads;      // best first; those that something speaks for
  std::optional<Program> program;
  std::vector<std::string> patched;  // files of the report's patch
  std::vector<Setting> settings;     // in the order of their promise
  std::vector<Unknown> unknown;
  std::vector<std::string> notes;
};

// What the user says; it wins over the report.
struct Overrides {
  std::string kernel;
  spec::TrialSpec spec;                                 // of flags
  bool workload = false, cpus = false, memory = false;  // given as flags
};
struct Lab {
  std::span<const spec::HintedWorkload> workloads;
  std::span<const kernel::PackagedKernel> packages;
  std::vector<std::string> fragments;  // names of optional ones: "kasan", ...
  int cores = 1;                       // of the host
  // The .config of a kernel; nothing: it is not known yet. May be empty.
  std::function<std::optional<std::string>(const std::string& reference)> config_of = {};
};
// `program`: the path of the report's program, once it is compiled; empty: it is not.
Experiment design(const mail::Understanding& report, const Overrides& overrides, const Lab& lab,
                  const std::string& program = {});

// The program that the report brings, if it brings one.
std::optional<Program> program_of(const mail::Understanding& report);

// `ktrial run` with this setting, for people to type.
std::vector<std::string> command_line(const spec::TrialSpec& spec);

}  // namespace ktrial::reproduce
