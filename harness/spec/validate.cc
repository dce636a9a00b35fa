#include "harness/spec/validate.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "harness/spec/parse.h"
#include "harness/spec/trace_request.h"

namespace ktrial::spec {

Status validate(const TrialSpec& spec) {
  std::string problems;
  auto check = [&](bool good, const std::string& problem) {
    if (!good) problems += (problems.empty() ? "" : "\n") + problem;
  };
  auto between = [&](const char* key, int value, int low, int high) {
    check(value >= low && value <= high, std::string(key) + ": " + std::to_string(value) +
                                             " is outside " + std::to_string(low) + ".." +
                                             std::to_string(high));
  };
  between("cpus", spec.cpus, 1, kMaxCpus);
  between("memory", spec.memory_mib, kMinMemoryMib, kMaxMemoryMib);
  between("repeat", spec.repeat, 1, kMaxRepeat);
  check(!spec.kernel.empty(), "kernel: is empty; name an image, git:REV, deb:PACKAGE or host");
  check(!spec.workload.empty() || !spec.command.empty(),
        "workload: is empty and there is no command");
  check(spec.command.empty() || spec.parameters.empty(),
        "set: parameters are a workload's; the command gets its arguments after its name");
  check(spec.append.find('\n') == std::string::npos && spec.append.find('\0') == std::string::npos,
        "append: the kernel command line is one line");
  check(!spec.timeout || spec.timeout->count() > 0, "timeout: 0 leaves no time for a trial");
  check(!spec.timeout || !spec.duration || *spec.timeout > *spec.duration,
        "timeout: is not longer than duration; it limits the whole trial, boot included");
  if (!spec.machine.empty())
    if (const auto known = parse_machine(spec.machine); !known)
      check(false, "machine: " + known.error().message);
  check(spec.vmm == Vmm::libvirt || spec.connect.empty(), "connect: needs vmm = libvirt");
  check(spec.vmm != Vmm::libvirt || spec.start != Start::warm,
        "start: a machine of libvirt's always boots; use vmm = qemu, or start = cold");
  check(spec.guest_seed.empty() || parse_guest_seed(spec.guest_seed).has_value(),
        "guest_seed: has " + std::to_string(2 * kSeedBytes) + " hexadecimal digits");
  check(spec.guest_seed.empty() || spec.start == Start::warm,
        "guest_seed: needs start = warm; a guest that boots makes its own");
  between("confirm_cold", spec.confirm_cold, 0, kMaxConfirmCold);
  check(spec.confirm_cold == 0 || spec.start != Start::cold,
        "confirm_cold: has nothing to confirm where start is cold");
  check(spec.vmm != Vmm::libvirt || !spec.keep_machine,
        "keep_machine: a machine of libvirt's cannot be kept; use vmm = qemu");
  for (const std::string& note : spec.fail_on)
    check(std::ranges::find(kNotes, note) != std::end(kNotes),
          "fail_on: " + in_quotes(note) + " is not one of " + note_names());
  check(spec.cwd.empty() || spec.cwd.starts_with('/'), "cwd: a path in the guest, from / on");
  for (const std::string& variable : spec.env)
    check(variable.find('=') != std::string::npos && !variable.starts_with('='),
          "env: " + in_quotes(variable) + " is not NAME=VALUE");
  const bool has_root = !spec.root.empty() && spec.root != "none";
  check(spec.shares.empty() || has_root, "shares: need a root, e.g. root = \"host\"");
  check(!spec.command.empty() || (!has_root && spec.cwd.empty() && spec.env.empty() &&
                                  spec.input.empty() && spec.output.empty()),
        "root: a workload of ktrial's brings all it needs; root, cwd, env, input and output are a "
        "command's");
  if (const std::string trace = trace_problems(spec); !trace.empty()) check(false, trace);
  if (problems.empty()) return {};
  return usage_error(problems);
}

}  // namespace ktrial::spec
