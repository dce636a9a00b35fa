// The kernel's tracing, as much of it as is switched here: a tracing instance of
// our own, and probe events, which all instances share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "workloads/int3-poke/checks.h"

namespace ktrial::workload {

// A kprobe event of ours; `kind` as kprobe_events has it: "p", "r", "r64".
struct Probe {
  std::string name, kind, place;  // place: "symbol" or "symbol+offset"
};

class Tracing {
 public:
  // Makes the instance; exits with kCannotRun, and the reason, if this kernel
  // cannot trace or is being traced.
  Tracing();

  // 0 or the errno.
  int add(const Probe& probe) const;
  int enable(const Probe& probe, bool on) const;
  int remove(const Probe& probe) const;
  // What kprobe_profile says of it; exits with kBroken if it says nothing.
  ProbeCount count(const Probe& probe) const;

  // The first place in the function that a breakpoint can be put on: behind the
  // call of the function tracer, where a probe would be made of that call.
  std::optional<std::string> breakpoint_place(const std::string& symbol) const;
  // Only these functions are traced; those that the kernel does not know are left out.
  std::size_t trace_only(const std::vector<std::string>& symbols) const;

  std::string path(const std::string& file) const { return instance_ + "/" + file; }
  // What must be the same before and after.
  State state() const;
  // Of the instance when nothing is on.
  State instance_state() const;
  int remove_instance() const;  // 0 or the errno: EBUSY if something is on

 private:
  std::string root_, instance_;
};

}  // namespace ktrial::workload
