// A virtual machine as the trial sees it: configuration in, events out.
//
// Two real backends are meant to stand behind this seam (QEMU started by us,
// libvirt); fake_vm.h is the scripted one for tests. Nothing here judges the
// kernel: an event says what happened to the machine, never what it means.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "harness/arch/arch.h"
#include "harness/base/child.h"
#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::vm {

class PrivatePages;

enum class Accel { tcg, kvm };
const char* name(Accel accel);

// How the guest sees the channel to the host.
struct NoChannelDevice {};
struct VirtioSerialPorts {
  std::vector<std::string> names;  // one port each; the host end comes from Vm::take_port()
};
struct VhostVsockDevice {
  std::uint32_t cid;
};
struct VhostUserVsockDevice {
  std::filesystem::path socket;  // the vhost-user socket of the device daemon
};
using ChannelDevice =
    std::variant<NoChannelDevice, VirtioSerialPorts, VhostVsockDevice, VhostUserVsockDevice>;

// A stopped machine in files: its RAM, sparse, as it lay in the machine's order; and the state of
// its devices. `ram` empty: the RAM is in the other file, too.
struct SavedState {
  std::filesystem::path ram, devices;
};

// What the guest finds its command's root on; nothing: the initramfs has it.
struct VirtiofsDevice {
  std::filesystem::path socket;  // the vhost-user socket of the file server
  std::string tag;
};
struct DiskDevice {
  std::filesystem::path image;  // never written to
  bool nvme = false;            // else virtio-blk
  bool writable = false;        // what the guest writes is kept until the machine ends
};
using RootDevice = std::variant<std::monostate, VirtiofsDevice, DiskDevice>;

// A machine that is a pure function of its command line: TCG counts instructions, and the guest's
// clocks go by that count. (QEMU's own record/replay takes one vCPU only; this needs no log.)
struct Exact {
  int seed = 1;
  int shift = 4;                     // an instruction takes 2^shift ns of guest time
  std::filesystem::path plugin;      // ktrial's TCG plugin; empty: none, and nothing can be held
  std::filesystem::path clock = {};  // preloaded: QEMU's wall clock stands; empty: it goes
  // What the plugin is asked for besides; it changes nothing that the guest could see.
  struct Place {
    std::uint64_t address = 0;
    std::uint64_t hold_at = 0;  // visit at which the machine is held, from 1; 0: at none
    bool record = false;        // each visit becomes a record
  };
  std::vector<Place> places = {};
  std::uint64_t watch = 0, watch_bytes = 0;  // stores to it become records
  bool coverage = false;                     // blocks become records, when they are first run
  // A condition that is looked at before each block: all of its parts hold.
  struct Term {
    bool memory = false, negated = false;
    unsigned cpu = 0;
    std::uint64_t from = 0, to = 0;  // !memory: its last block begins there
    // memory: a word, compared. With offsets `at` is a pointer's place, and each offset is added to
    // what the pointer before it says.
    enum class Is { equal, different, less, at_most, greater, at_least, has_bits } is = Is::equal;
    unsigned bytes = 8;
    std::uint64_t at = 0, value = 0;
    std::vector<std::uint64_t> offsets = {};
  };
  std::vector<Term> when = {};
  std::vector<std::uint64_t> jumps_from = {};  // of each vCPU: one mark's jumps become records
  // Where RAM tells a vCPU's task: offsets in the RAM file, and in the kernel's structure.
  struct Tasks {
    std::vector<std::uint64_t> current;  // of each vCPU; empty: not known
    std::uint64_t direct_map = 0, image = 0, image_physical = 0;
    std::uint32_t pid_offset = 0, comm_offset = 0;
  };
  Tasks tasks = {};
  std::optional<std::uint64_t> hold_at = {};  // instructions
};

// A machine that goes on from there instead of booting. It must be configured as the saved one was,
// but for kernel, initrd and command line, which it does not need.
struct ResumeFrom {
  SavedState state;
  std::chrono::milliseconds patience{};  // with the VMM
  // A device that cannot be saved: plugged in before the guest goes on.
  std::variant<std::monostate, VhostUserVsockDevice, VirtiofsDevice> plug = {};
  bool plugs() const { return plug.index() != 0; }
  bool stay_paused = false;
};

struct VmConfig {
  std::string name;
  std::filesystem::path kernel;
  std::filesystem::path initrd;  // may be empty
  std::string command_line;
  unsigned cpus = 4;
  std::uint64_t memory_mib = 1024;
  Accel accel = Accel::tcg;
  // TCG: all vCPUs in one host thread, in turns. With a thread each, QEMU 7.2 may
  // keep the translation of code that another vCPU patched meanwhile.
  bool one_thread = false;
  const arch::Arch* arch = &arch::native();
  const arch::Machine* machine = arch->machine("");  // one of its machines
  ChannelDevice channel;
  RootDevice root = {};
  bool share_ram = true;  // false: ram() takes a dump; vhost-user devices need it shared
  // Files that exist, where save() puts the machine; `keep.ram` is its RAM from the start.
  std::optional<SavedState> keep = {};
  std::optional<ResumeFrom> resume = {};
  bool socket_for_plug = false;  // a free place on its bus; part of what must be alike
  std::optional<Exact> exact = {};
  std::filesystem::path delaying = {};  // ktrial's plugin, for delayable(); empty: none
};

// What a VM tells its owner. `Exited` is always the last event.
struct ConsoleBytes {
  std::string bytes;
};
// Stopped without our asking: KVM internal error, paused on panic or I/O error.
struct Stopped {
  std::string reason;
};
// The guest ended itself, in QMP's words: guest-shutdown, guest-reset, guest-panic.
struct GuestShutdown {
  std::string reason;
};
struct Exited {
  ExitStatus status;
  std::string last_words;  // the end of the VMM's stderr
};
using VmEvent = std::variant<ConsoleBytes, Stopped, GuestShutdown, Exited>;

// One register sample of one vCPU.
struct VcpuSample {
  unsigned cpu = 0;
  std::uint64_t ip = 0, sp = 0, fp = 0;  // instruction, stack, frame
  bool interrupts_enabled = true;
  bool user_mode = false;
  bool halted = false;
  bool operator==(const VcpuSample&) const = default;
};

// The guest's RAM: `fd` is a file of `bytes` (sparse; guest-physical memory in the
// order in which the machine lays out its RAM, see introspect/memory.h). It changes
// while the guest runs, unless it is a dump.
struct GuestRam {
  Fd fd;
  std::uint64_t bytes = 0;
  const arch::Machine* machine = arch::native().machine("");
  std::shared_ptr<const PrivatePages> own = {};  // over the file; null: the file is all
};

// What some VMMs can do besides.
class Resumable {
 public:
  virtual ~Resumable() = default;
  // Puts a paused machine into VmConfig::keep. It stays paused.
  virtual Status save(std::chrono::milliseconds patience) = 0;
};

// Where a machine stands that is held.
struct Hold {
  enum class Why { count, end, place } why = Why::count;
  unsigned cpu = 0;
  std::uint64_t instructions = 0;  // of all vCPUs, as the plugin counts: at blocks' beginnings
  std::uint64_t address = 0;       // of a place
};
// What a plugin recorded.
struct Visit {
  enum class What { call = 1, block, store, jump } what = What::call;
  std::uint64_t instructions = 0, address = 0;
  std::uint64_t target = 0;  // of a store; of a jump: where from
  unsigned cpu = 0, place = 0;
  int pid = -1;  // of the task; -1: not known
  std::string comm;
};
// When a condition began or ceased to hold.
struct Change {
  std::uint64_t instructions = 0, address = 0;  // of the block that did it
  unsigned cpu = 0;
  bool holds = false;
  int pid = -1;
  std::string comm;
};
struct Changes {
  std::uint64_t count = 0;
  std::optional<Change> first;  // that began to hold
  std::vector<Change> last;     // in order
};
// The kernel's code that was run, by blocks; and each vCPU's way through it, digested after each
// so many jumps.
struct Paths {
  struct Block {
    std::uint64_t address = 0, visits = 0, instructions = 0;
  };
  std::vector<Block> blocks;                      // by address
  std::vector<std::vector<std::uint64_t>> marks;  // of each vCPU
  bool whole = true;                              // false: there was no room for all
};
inline constexpr std::uint64_t kJumpsOfAMark = 1 << 15;
class Countable {
 public:
  virtual ~Countable() = default;
  virtual std::uint64_t instructions() const = 0;
  virtual std::vector<std::uint64_t> by_cpu() const = 0;
  // At the first block that begins with so many. Has to lie ahead.
  virtual void hold_at(std::uint64_t instructions) = 0;
  // While held, all of the console was delivered, pause() and resume() do nothing, and registers
  // and RAM are those of this instant.
  virtual std::optional<Hold> held() const = 0;
  virtual void go_on() = 0;
  // All registers, for people and digests.
  virtual Result<std::string> registers(std::chrono::milliseconds patience) = 0;
  virtual std::vector<Visit> visits() const = 0;
  virtual std::uint64_t lost_visits() const = 0;  // for which there was no room
  virtual Changes changes() const = 0;
  virtual Paths paths() const = 0;
};

// A parallel machine whose vCPUs can be delayed at places in the guest's code.
struct Delay {
  std::uint64_t address = 0;
  std::chrono::microseconds most{};  // as long as this, at least a tenth of it
  double probability = 0;            // of each visit
};
struct DelayCount {
  std::uint64_t visits = 0, delays = 0;
  std::chrono::nanoseconds time{};  // of all delays
};
class Delayable {
 public:
  virtual ~Delayable() = default;
  // From soon on, and once: what is translated already is translated anew.
  virtual Status delay_at(const std::vector<Delay>& delays) = 0;
  virtual std::vector<DelayCount> delayed() const = 0;
};

// What another host gave the machine since it began, as that host tells; seconds.
struct FarTimes {
  struct Vcpu {
    unsigned cpu = 0;
    double ran_s = 0;
    std::optional<double> waited_s = {};  // for a host CPU
  };
  std::vector<Vcpu> vcpus;
  // Of all its CPUs together, since any beginning: for whomever they worked, and did not.
  struct Cpus {
    double busy_s = 0, idle_s = 0;
  };
  std::optional<Cpus> host;
};
class FarHost {
 public:
  virtual ~FarHost() = default;
  virtual Result<FarTimes> times(std::chrono::milliseconds patience) = 0;
};

class Debuggable {
 public:
  virtual ~Debuggable() = default;
  // Lets a gdb in at a socket there ("target remote PATH"), which then decides who runs.
  virtual Status serve_gdb(const std::filesystem::path& socket,
                           std::chrono::milliseconds patience) = 0;
};

class Vm {
 public:
  using Sink = std::function<void(VmEvent)>;
  virtual ~Vm() = default;  // ends the VM and frees all it holds

  // Starts the machine; events go to `sink` from the io_context from then on. One that is resumed
  // goes on when this returns.
  virtual Status start(Sink sink) = 0;
  // The host end of a virtio-serial port: a stream socket. Once per name, after start().
  virtual Result<Fd> take_port(const std::string& port_name) = 0;
  // Registers of every vCPU, taken while the machine is briefly stopped (or stays
  // paused). Waits for the monitor at most `patience`.
  virtual Result<std::vector<VcpuSample>> sample_vcpus(std::chrono::milliseconds patience) = 0;
  // Stops the vCPUs and lets them go on. Events of a pause of ours are not told as
  // Stopped. Idempotent.
  virtual Status pause(std::chrono::milliseconds patience) = 0;
  virtual Status resume(std::chrono::milliseconds patience) = 0;
  // The guest's RAM, to be read while paused. Where the VMM shares none, this
  // takes a dump: pause first, and expect seconds.
  virtual Result<GuestRam> ram(std::chrono::milliseconds patience) = 0;
  // Raises an NMI on the guest's boot CPU.
  virtual Status inject_nmi(std::chrono::milliseconds patience) = 0;
  // "running", "paused", "internal-error", ... in QMP's words.
  virtual Result<std::string> status(std::chrono::milliseconds patience) = 0;
  // Null: it cannot.
  virtual Resumable* resumable() { return nullptr; }
  virtual Countable* countable() { return nullptr; }
  virtual Delayable* delayable() { return nullptr; }
  virtual Debuggable* debuggable() { return nullptr; }
  // Null: it runs here, and /proc tells more.
  virtual FarHost* far_host() { return nullptr; }
  // Ends it now. Idempotent; Exited may or may not follow.
  virtual void destroy() = 0;
  // The VMM's process, for host-side facts (scheduling, memory); 0 if remote.
  virtual pid_t process() const = 0;
  // Thread ids of the vCPUs in order, where they are known.
  virtual std::vector<pid_t> vcpu_threads() const = 0;
  // A command a person can paste to start the same machine by hand.
  virtual std::string shell_command() const = 0;
};

}  // namespace ktrial::vm
