// Takes an autopsy of a running, stalled machine: looks at it several times, briefly
// paused each time, and asks the host how long each vCPU ran between the looks.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "harness/autopsy/autopsy.h"
#include "harness/introspect/kernel_view.h"

namespace ktrial::autopsy {

// What a paused guest's memory tells. Every call may find less than hoped for: it
// says so in `notes()`, never by an error of the autopsy.
class Inspector {
 public:
  virtual ~Inspector() = default;
  virtual std::vector<StackFrame> stack(const vm::VcpuSample& registers) = 0;
  virtual std::string task(unsigned cpu) = 0;  // "comm/pid"
  // Who cannot go on. `all_idle`: no vCPU does much, so a task that is ready to run is one of
  // them, and without any such the sleepers of user space are.
  virtual std::vector<BlockedTask> blocked(bool all_idle) = 0;
  virtual std::vector<std::string> kernel_log() = 0;
  virtual std::vector<std::string> notes() const = 0;
  // Names and call frames of its kernel, as an ELF file for debuggers.
  virtual Result<std::string> symbol_file() const {
    return fail(ErrorKind::environment, "this guest's memory tells no symbols");
  }
  // Which parts of the guest's memory can be read.
  virtual std::vector<Access> access() { return {}; }
  // For who reads more of it; null: its structures cannot be read. Lives as long as this.
  virtual const introspect::KernelView* view() const { return nullptr; }
  virtual Status write_core(const std::filesystem::path& path,
                            const std::vector<vm::VcpuSample>& registers) = 0;
};

// Looks at one machine, oldest first, by vCPU.
struct LooksSoFar {
  Clock::time_point first{};
  std::map<unsigned, std::vector<Look>> of;
};

struct Subject {
  Clock& clock;
  vm::Vm& vm;
  HostWatch& host;
  // Lets the guest run, and the trial's events be handled, for so long; false: the VM ended.
  std::function<bool(std::chrono::milliseconds)> let_run;
  // Called with the guest paused, once; its error becomes a note. May be empty.
  std::function<Result<std::unique_ptr<Inspector>>(vm::GuestRam)> inspect;
  // Called once after the last look, the guest paused: recovers its trace. Given the kernel's
  // log, too; what it returns goes into the page. May be empty.
  std::function<std::vector<std::string>(const introspect::KernelView&,
                                         const std::vector<std::string>& kernel_log)>
      trace = {};
  // Where a core file goes; empty: none is wanted.
  std::filesystem::path core = {};
  // The host is suspect: go on looking until a vCPU ran long enough in one place to be
  // proven guilty, or moved, or the patience below is over.
  bool wants_proof = false;
  double proof_s = kProofSeconds;  // what counts as one
  std::chrono::milliseconds proof_patience{};
  std::chrono::milliseconds monitor_patience{};  // one answer of the VMM
  LooksSoFar before = {};                        // that were taken already: it goes on from them
  bool stands_still = false;                     // one look shows all, and nothing is let run
};

// Leaves the guest paused, unless it ended. Costs well under two seconds, more only
// for a proof.
Autopsy examine(const Subject& subject);

}  // namespace ktrial::autopsy
