#include "harness/spec/validate.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "harness/spec/parse.h"
#include "harness/spec/perturb.h"
#include "harness/spec/trace_request.h"

namespace ktrial::spec {

namespace {

// What a machine that nobody may speak to, and that runs by its own time, cannot do.
std::vector<std::string> against_determinism(const TrialSpec& spec) {
  std::vector<std::string> out;
  const auto refuse = [&](bool wrong, const std::string& problem) {
    if (wrong) out.push_back("deterministic: " + problem);
  };
  refuse(spec.seed < 1 || spec.seed > kMaxSeed - spec.repeat, "seed is outside 1..1000000000");
  refuse(spec.shift < 1 || spec.shift > kMaxShift, "shift is outside 1..7");
  if (!spec.deterministic) {
    refuse(spec.seed != 1 || spec.shift != 4, "seed and shift are those of deterministic = true");
    return out;
  }
  refuse(spec.accel == Accel::kvm,
         "needs TCG, which counts instructions; KVM runs by the host's time");
  refuse(spec.vmm == Vmm::libvirt, "needs vmm = qemu: libvirt's own devices and pauses disturb it");
  refuse(spec.start == Start::warm,
         "needs start = cold: a copy is told who it is, and nobody may speak to this guest");
  refuse(spec.channel == ChannelKind::vhost_vsock || spec.channel == ChannelKind::vhost_user_vsock,
         "needs channel = virtio-serial: a vsock is served by other threads, by the host's time");
  refuse(!spec.machine.empty() && spec.machine != arch::native().machine("")->name,
         "needs the machine that was measured, " + arch::native().machine("")->name);
  refuse(spec.confirm_cold > 0, "confirm_cold: each trial boots");
  refuse(spec.keep_machine, "keep_machine: `ktrial replay` has the machine at any instant");
  refuse(spec.until_fail && spec.repeat == 1, "until_fail needs repeat: how many seeds at most");
  refuse(spec.root == "host" || (spec.root.starts_with('/') && !spec.root.ends_with(".tar")),
         "a root by virtiofs or disk is served by other threads, by the host's time; use root = "
         "minimal, or a tarball");
  refuse(!spec.shares.empty(), "shares are served by the host, by its time");
  refuse((!spec.trace.empty() && spec.trace != "off") || !spec.trace_clock.empty() ||
             !spec.trace_stop.empty() || spec.trace_buffer_kib != 0,
         "trace: is set up by the host, which may not speak to this guest; the black box is there, "
         "and `ktrial replay --trace` records any function afterwards");
  return out;
}

}  // namespace

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
  check(!spec.one_thread || spec.accel != Accel::kvm,
        "one_thread: needs TCG; KVM has a thread for each vCPU");
  for (const std::string& problem : against_determinism(spec)) check(false, problem);
  if (const std::string wrong = perturb_problems(spec); !wrong.empty()) check(false, wrong);
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
