// What to run, as plain values. Read from TOML (load.h) or made from command
// line flags; docs/spec-format.md describes the file. Nothing here touches the
// system: whether a kernel exists or KVM works is found out by others.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/arch/arch.h"

namespace ktrial::spec {

using Milliseconds = std::chrono::milliseconds;

enum class Accel { automatic, kvm, tcg };
enum class Vmm { qemu, libvirt };
enum class Start { automatic, cold, warm };
enum class ChannelKind { automatic, vhost_vsock, vhost_user_vsock, virtio_serial };

// The names of the command line: "auto", "vhost-user-vsock", ...
std::string_view name(Accel accel);
std::string_view name(Vmm vmm);
std::string_view name(ChannelKind channel);
std::string_view name(Start start);

struct TrialSpec {
  std::string kernel = arch::native().default_kernel;  // a reference, not yet resolved
  std::string workload = "mmcid-vfork";                // unused when `command` is given
  std::map<std::string, std::string> parameters;       // --set KEY=VALUE
  // Where each was set, for errors about it: "FILE:LINE: set.KEY" or "--set KEY".
  std::map<std::string, std::string> parameter_places;
  void set_parameter(const std::string& key, std::string value, std::string place) {
    parameters[key] = std::move(value);
    parameter_places[key] = std::move(place);
  }
  int cpus = 4;
  int memory_mib = 1024;
  int repeat = 1;
  bool until_fail = false;
  std::optional<Milliseconds> duration;  // stress time; unset: the workload's default
  std::optional<Milliseconds> timeout;   // one whole trial; unset: derived (timeouts.h)
  std::string trace;                     // see trace_request.h; empty: the black box alone
  int trace_buffer_kib = 0;              // of each CPU; 0: what suits `trace`
  std::string trace_clock;               // empty: the kernel's own choice
  std::string trace_stop;                // a function that stops it, or "warning"
  bool core = false;                     // of a stalled guest: keep a core file
  std::vector<std::string> fail_on;      // notes of the kernel that fail a trial: kNotes
  Accel accel = Accel::automatic;
  Vmm vmm = Vmm::qemu;
  std::string connect;  // libvirt URI; empty: libvirt's default
  ChannelKind channel = ChannelKind::automatic;
  std::string machine;             // of QEMU; empty: the first of the architecture
  std::string append;              // more kernel command line
  Start start = Start::automatic;  // by a boot, or from a template (docs/warm-start.md)
  std::string guest_seed;          // of a warm guest's random numbers, hex; empty: a fresh one
  int confirm_cold = 0;            // trials that boot, after a failure of one that did not
  bool keep_machine = false;       // of a failed trial: as it stood
  // A pure function of its command line (docs/replay.md). Trial i of a run has seed + i.
  bool deterministic = false;
  int seed = 1;
  int shift = 4;            // an instruction takes 2^shift ns of the guest's time
  bool one_thread = false;  // of the host, for all vCPUs, in turns: TCG's thread=single
  // What disturbs a parallel machine's vCPUs, perturb.h.
  std::vector<std::string> delay_at;
  std::string perturb;
  std::vector<std::string> command;  // argv after "--"
  // The guest's userland, docs/roots.md: none, minimal, host, debian:SUITE, or a folder, tarball or
  // image; empty: what the command needs.
  std::string root;
  std::string cwd;               // of the command; empty: ktrial's own if the root has it, else /
  std::vector<std::string> env;  // NAME=VALUE, for the command
  std::vector<std::string> shares;  // folders of the host that the root shows, too, read-only
  std::string input;                // a file of the host: the command's standard input
  std::string output;               // a folder of the host: what the command leaves in /run/output
  // Which cell of a matrix this is: its axes' names and values, in their order; no matrix: empty.
  std::vector<std::pair<std::string, std::string>> axes;
  bool operator==(const TrialSpec&) const = default;
};

// "kernel=host cpus=4 set.pin=true"; "" without a matrix.
std::string cell_name(const TrialSpec& spec);

// Kinds of reports that fail nothing unless `fail_on` names them; harness/console finds them.
inline constexpr std::string_view kNotes[] = {"page_allocation", "out_of_memory",
                                              "netdev_watchdog"};

// Bounds, checked for files and flags alike.
inline constexpr int kMaxCpus = 255;
inline constexpr int kMinMemoryMib = 64;
inline constexpr int kMaxMemoryMib = 4 << 20;
inline constexpr int kMaxRepeat = 1'000'000;
inline constexpr int kMaxConfirmCold = 1000;
inline constexpr std::size_t kSeedBytes = 32;
inline constexpr int kMaxSeed = 1'000'000'000;
inline constexpr int kMaxShift = 7;
inline constexpr Milliseconds kMaxDuration = std::chrono::hours(24 * 30);
inline constexpr std::size_t kMaxMatrix = 4096;  // specs of one file

}  // namespace ktrial::spec
