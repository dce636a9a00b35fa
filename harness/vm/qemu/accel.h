// Accelerator truth: KVM counts as usable only after the chosen kernel has
// printed under it.
//
// An openable /dev/kvm proves nothing: nested and paravirtual KVMs exist that
// create VMs and then hang in the boot stub, report "KVM internal error" with
// QEMU still alive, or refuse a CPU model. So the kernel is booted briefly, and
// the answer is remembered per (host boot, QEMU version, kernel); for ten minutes
// only when it is "no" and rests on time.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "harness/base/clock.h"
#include "harness/spec/timeouts.h"
#include "harness/vm/qemu/qemu_vm.h"
#include "harness/vm/vm.h"

namespace ktrial::vm {

struct AccelChoice {
  Accel accel = Accel::tcg;
  std::string reason;  // for people: why this one
};

struct AccelQuery {
  std::optional<Accel> wanted;  // nothing: the best that works
  std::filesystem::path kernel;
  const arch::Arch* arch = &arch::native();
  std::string kernel_id;        // identifies the image's content
  std::filesystem::path cache;  // file of remembered answers
  // To the first kernel line under KVM.
  std::chrono::milliseconds patience = spec::host_wait(spec::HostWait::kvm_first_line);
  std::filesystem::path kvm_device = "/dev/kvm";  // empty: the VMM has to know
};

using VmFactory = std::function<Result<std::unique_ptr<Vm>>(const VmConfig&)>;

// An error only when KVM was demanded and does not work.
Result<AccelChoice> choose_accel(Clock& clock, const AccelQuery& query,
                                 const std::string& vmm_version, const VmFactory& factory);

}  // namespace ktrial::vm
