// What a stalled machine was doing, seen from outside: plain values, and the pure
// rules that tell the culprit from its victims.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/autopsy/host_watch.h"
#include "harness/console/sight.h"
#include "harness/vm/vm.h"

namespace ktrial::autopsy {

struct StackFrame {
  std::string function;  // as its source names it; empty: not in any known function
  std::string text;      // "mm_get_cid+0x55/0x90 [module]", or an address
  bool certain = true;   // false: a value on the stack that looks like a return address
};

// One look at one vCPU.
struct Look {
  vm::VcpuSample registers;
  std::vector<StackFrame> stack;  // innermost first; empty: unknown, or in user mode
};

enum class VcpuClass {
  spinning_irqs_off,  // in one kernel function with interrupts off, at every look
  spinning,           // the same with interrupts on
  waiting,            // for another CPU: an IPI's answer, a spinlock
  kernel,             // in the kernel, but it moves
  idle,
  user,
  starved,  // the host never ran it between the looks, though it wanted to
  unknown,  // never looked at
};
const char* name(VcpuClass what);
VcpuClass class_named(std::string_view name);  // unknown, if it is none

struct VcpuState {
  unsigned cpu = 0;
  VcpuClass what = VcpuClass::unknown;
  // Where it is; of a waiting one: who called the wait.
  std::string function;
  std::string waits_in;            // function that waits for another CPU; empty: it does not
  bool interrupts_off = false;     // at every look
  bool inside_schedule = false;    // holds a run queue's lock
  bool one_instruction = false;    // the same at every look, of several
  bool was_halted = false;         // at one of the looks: it holds no lock that others spin for
  std::string task;                // "comm/pid"; empty: unknown
  double ran_s = 0, waited_s = 0;  // by the host, between the first and the last look
  std::vector<StackFrame> stack;   // at the last look
};

// What was seen of one vCPU, over all looks. `use`: nothing when the host cannot tell.
VcpuState classify(const std::vector<Look>& looks, const std::optional<VcpuUse>& use);

struct Culprit {
  unsigned cpu = 0;
  std::string function;
  std::string task;
  // It ran for a while, in this one function, and nothing that it waits for was found:
  // no host explains that.
  bool proven = false;
};
// The vCPU that holds the others up, if one does. When all of them wait for each
// other (a deadlock): the first, by the function that called the wait.
// Own running time in one function that counts as proof, seconds. A kernel that boots computes
// longer than that in one place (its self-tests of cryptography, its benchmarks of RAID).
inline constexpr double kProofSeconds = 1.0, kBootProofSeconds = 10.0;
std::optional<Culprit> find_culprit(const std::vector<VcpuState>& vcpus,
                                    double proof_s = kProofSeconds);

struct BlockedTask {
  std::string task;   // "comm/pid"
  std::string state;  // "D", "D, a vfork child", "R, and no CPU runs it": why it is shown
  std::vector<StackFrame> stack;
};

// A part of what a guest's memory can tell: "symbols", "types", "tasks", "stacks", "log".
struct Access {
  std::string part;
  std::string trouble;  // why it cannot be read; empty: it can
};

struct Autopsy {
  int looks = 0;
  double seconds = 0;  // of wall time that it took, an NMI's answer not counted
  std::vector<VcpuState> vcpus;
  std::vector<BlockedTask> blocked;
  std::optional<Culprit> culprit;
  std::vector<std::string> trace;       // what the recovered trace tells, for people; may be empty
  std::vector<std::string> notes;       // what could not be done, and why
  std::vector<std::string> kernel_log;  // read from RAM: the whole of it; empty: unknown
  std::vector<Access> access;           // to its memory; empty: it was never opened
  std::string blind;                    // why its memory told nothing; empty: it did
};

// One page for people: who is at fault, what every vCPU did, who waits.
std::string to_text(const Autopsy& autopsy);

}  // namespace ktrial::autopsy
