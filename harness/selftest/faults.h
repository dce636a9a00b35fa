// The faults that `ktrial selftest` plants, and what a harness that can be
// trusted says about each. The faults themselves: workloads/inject and
// guest/inject.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"
#include "results/record.h"

namespace ktrial::selftest {

// How a fault gets into the guest.
enum class Way {
  module,    // guest/inject, built for the kernel on trial
  workload,  // a user program is enough
  init,      // the workload takes the place of the guest's agent
};

// All that is set must hold; of several kinds or culprits any one will do.
struct Expected {
  results::Outcome outcome = results::Outcome::fail;
  std::vector<results::Kind> kinds = {};
  std::vector<std::string_view> culprits = {};  // empty: no function is to blame
  std::string_view title = {};                  // a part of the title
  std::string_view console = {};                // must stand in the console log
};

struct Fault {
  std::string_view name;
  std::string_view summary;
  Way way = Way::module;
  Expected expected;
  // Kernel command line: the limits of the kernel's detectors, so that the one
  // that is meant speaks first, and soon.
  std::string_view append = {};
  std::optional<std::chrono::seconds> timeout = {};  // of the trial; unset: derived
  // The kernel option that sees it, where few kernels have it. One without it
  // refuses the fault: that it is skipped then is no shortcoming.
  std::string_view needs = {};
};

std::span<const Fault> all_faults();
// Those named, in the order of the table; none named: all. An unknown name is a
// usage error that lists the known ones.
Result<std::vector<Fault>> choose_faults(const std::vector<std::string>& names);

// The trial that plants it: `base` names kernel, machine and so on.
spec::TrialSpec trial_of(const Fault& fault, spec::TrialSpec base);

// Their names.
std::vector<std::string_view> names_of(const std::vector<results::Kind>& kinds);

// "fail: soft_lockup in ktrial_soft_lockup", for people.
std::string describe(const Expected& expected);

}  // namespace ktrial::selftest
