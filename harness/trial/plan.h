// What the trials of one run share: a spec made concrete on this host.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "guest/wire/wire.h"
#include "harness/channel/channel.h"
#include "harness/kernel/kernel.h"
#include "harness/root/choice.h"
#include "harness/spec/spec.h"
#include "harness/spec/timeouts.h"
#include "harness/spec/trace_request.h"
#include "harness/spec/workload.h"
#include "harness/vm/qemu/accel.h"
#include "results/record.h"

namespace ktrial::trial {

// Who runs the machines.
struct Vmm {
  vm::VmFactory make;
  // All of a machine but its files' content that a saved state of it depends on; empty: it saves
  // none.
  std::function<std::string(const vm::VmConfig&)> identity = {};
  std::string version;          // tells it from others, for what is remembered about it
  results::Facts facts;         // for the record
  bool local = true;            // on this host
  bool private_sockets = true;  // its QEMU may use sockets in folders of ours
};
Result<Vmm> choose_vmm(boost::asio::io_context& io, const spec::TrialSpec& spec,
                       const arch::Arch& arch, std::stop_token stop);

struct WarmStart;  // warm_start.h

struct Plan {
  spec::TrialSpec spec;
  spec::TraceRequest trace;                    // what spec.trace says
  std::optional<spec::WorkloadInfo> workload;  // nothing: a packed host command
  kernel::Kernel kernel;
  Vmm vmm;
  vm::AccelChoice accel;
  channel::Kind channel = channel::Kind::virtio_serial;
  std::string channel_reason;
  // Makes it, with a private folder for its sockets.
  std::function<Result<std::unique_ptr<channel::Channel>>(const std::filesystem::path& scratch)>
      make_channel;
  // The one over which a template says hello.
  std::function<Result<std::unique_ptr<channel::Channel>>()> make_parking;
  std::shared_ptr<WarmStart> warm;  // null: each trial boots
  std::string start_reason;         // why it does, where one might expect otherwise
  std::filesystem::path initramfs;
  std::optional<root::Root> root;  // of the command; nothing: the initramfs alone
  std::string program;             // in the guest: a path, or a name that PATH finds there
  // More virtio-serial ports than the channel's (which must be virtio-serial then), and who takes
  // them, once the machine runs: a terminal.
  std::vector<std::string> ports;
  std::function<Status(vm::Vm&, boost::asio::io_context&)> on_start;
  bool one_of_many = false;  // its trials are not alone: what they leave needs a name of its own
  std::function<void()> on_end;   // before the machine goes, however the trial ended
  std::filesystem::path symbols;  // cache of guests' kernel symbols
  // Of deterministic trials; the seed is each trial's own.
  std::optional<vm::Exact> exact;
  results::Determinism pinned;     // what all of them share: digests, QEMU
  std::string no_plugin;           // why nothing can be held; empty: it can
  std::filesystem::path delaying;  // the plugin for spec.delay_at; empty: nothing is delayed
  // A run that is only to come to where `exact` holds it: that is its end.
  bool ends_when_held = false;
  std::function<void(vm::Vm&)> when_held;  // looks at it there; may be empty
  bool examine_held = false;               // an autopsy of that instant
  std::string command_line;                // without the channel's own arguments
  wire::Run run;
  bool introspect = false;  // looks into the memory of a guest that is well, too
  spec::Timeouts timeouts;
  double overcommit = 1;              // vCPUs over host cores, at least 1: a part of timeouts.scale
  spec::Milliseconds total{};         // hard limit of one trial
  spec::Milliseconds progress{};      // longest silence of the workload; 0: any
  results::KernelFacts kernel_facts;  // as far as they are known before the boot
  results::HostFacts host_facts;
  results::Facts run_facts;     // of who had it run
  std::uint32_t host_port = 0;  // guest vsock port that the host keeps connecting to; 0: none

  // What runs in the guest, for people and titles.
  std::string name() const;
};

// PrepareOptions::progress says so, with this beginning and then the reason,
// when a workload's kernel module could not be built.
inline constexpr std::string_view kNoModule = "no module for this kernel: ";

struct PrepareOptions {
  std::filesystem::path payload;  // see find_payload()
  std::filesystem::path cache;
  std::filesystem::path initramfs;  // where to write it
  // One that was packed before, to be copied there instead of packing anything; the first word of
  // spec.command is then a path in the guest.
  std::optional<std::filesystem::path> packed = {};
  bool offline = false;
  kernel::BuildRequest git = {};
  int beside_vcpus = 0;  // of other machines that may share the host
  int of_many = 1;       // trials of this machine that are counted on
  std::function<void(std::string_view)> progress;
  std::stop_token stop;
};

// Resolves the kernel, chooses accelerator and channel, packs the initramfs.
// May take long (downloads, a KVM probe). Errors are ours or the user's, never
// the kernel's.
Result<Plan> prepare(boost::asio::io_context& io, const spec::TrialSpec& spec,
                     const PrepareOptions& options);

// The folder with guest/, workloads/ and kconfigs/: $KTRIAL_PAYLOAD, or
// ../share/ktrial seen from the program, which is true in a build tree and
// after `cmake --install`.
Result<std::filesystem::path> find_payload();

// Which channel this host and this kernel can use for the spec, and why. Names
// what was passed over. `saves`: the machine shall be saved, which not every channel allows.
struct ChannelChoice {
  channel::Kind kind;
  std::string reason;
};
Result<ChannelChoice> choose_channel(const spec::TrialSpec& spec, bool needs_vsock,
                                     const kernel::Kernel& kernel, const Vmm& vmm,
                                     bool saves = false);

}  // namespace ktrial::trial
