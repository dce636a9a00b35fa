// The black box: every trial's kernel keeps its last scheduler and fork events in a small
// ring of its own (ftrace), which nobody reads until the guest is dead.
#pragma once

#include <string>
#include <vector>

#include "harness/introspect/kernel_view.h"
#include "harness/trial/scene.h"
#include "results/record.h"

namespace ktrial::trial {

// Words for the kernel's command line, each with a blank behind it: the black box's events
// and those asked for, from the kernel's first instant on. None when the workload itself
// plays with tracing, or when the spec says off.
std::string black_box_arguments(const Plan& plan);
bool has_black_box(const Plan& plan);
// The workload switches tracing on and off.
bool traces_itself(const Plan& plan);

// Reads the ring of a paused guest into trace.dat, trace.txt, trace.json and
// trace.svg in the trial's folder; returns what the trace tells, for the autopsy's page.
// `kernel_log`: its lines, with their stamps; reports in it become marks in trace.json and
// trace.svg.
std::vector<std::string> recover_trace(const Scene& scene, const introspect::KernelView& kernel,
                                       const std::vector<std::string>& kernel_log);

// The same outside of an autopsy: after a report that is no stall, or when the machine is gone
// (panic, triple fault). Its RAM is a file of ours, which outlives it: nothing clears it, because a
// reset ends the machine. Pauses a machine that lives, and leaves it so. Does nothing where there
// is a trace already, or no black box; what cannot be read is an event.
void recover_trace_from_ram(const Scene& scene);

// A trace that the kernel printed on its console becomes trace.txt and trace.svg, unless RAM
// told more. To be called when the console has ended.
void keep_dump(const Scene& scene);

}  // namespace ktrial::trial
