#include "harness/interactive/gdb.h"

#include <fmt/format.h>
#include <unistd.h>

#include "harness/autopsy/inspector.h"
#include "harness/base/child.h"
#include "harness/base/file.h"
#include "harness/base/stop_on_signal.h"
#include "harness/interactive/foreground.h"
#include "harness/spec/timeouts.h"
#include "harness/trial/kept_machine.h"
#include "harness/trial/machine.h"
#include "harness/trial/monitor.h"
#include "harness/trial/plan.h"

namespace ktrial::interactive {
namespace fs = std::filesystem;

namespace {

std::chrono::milliseconds patience() { return spec::host_wait(spec::HostWait::template_save); }

Result<fs::path> write_symbols(vm::Vm& machine, const fs::path& folder, const GdbOptions& options) {
  auto ram = KTRIAL_TRY(machine.ram(patience()));
  const auto inspector =
      KTRIAL_TRY(autopsy::make_inspector(std::move(ram), options.cache / "symbols"));
  fs::path file = folder / "kernel.elf";
  KTRIAL_TRY(write_file_atomically(file, KTRIAL_TRY(inspector->symbol_file())));
  return file;
}

// A paused machine, given to gdb; it is paused afterwards.
Result<int> debug(boost::asio::io_context& io, vm::Vm& machine, std::optional<unsigned> vcpu,
                  const GdbOptions& options) {
  const auto gdb = find_program("gdb");
  if (!gdb) return fail(ErrorKind::environment, "there is no gdb", "apt install gdb");
  vm::Debuggable* debuggable = machine.debuggable();
  if (debuggable == nullptr)
    return fail(ErrorKind::environment, "this machine lets no debugger in", "use --vmm qemu");
  const TempDir scratch = KTRIAL_TRY(TempDir::create());
  const fs::path socket = scratch.path() / "gdb.sock", script = scratch.path() / "gdb.init";
  const auto symbols = write_symbols(machine, scratch.path(), options);
  if (!symbols) options.say("no symbols: " + symbols.error().message);
  KTRIAL_TRY(debuggable->serve_gdb(socket, patience()));
  KTRIAL_TRY(write_file_atomically(script, gdb_script(socket, vcpu)));
  std::vector<std::string> arguments = {"-q", "-x", script.string()};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  if (symbols) arguments.push_back(symbols->string());
  const int status = KTRIAL_TRY(run_in_foreground(io, *gdb, arguments));
  if (const auto left = machine.status(patience()); left && *left == "running")
    options.say("gdb left the guest running; it was stopped");
  return status;
}

// Shows the guest's output; a debugger's guest is not judged.
class Shower final : public trial::Observer {
 public:
  explicit Shower(const GdbOptions& options) : options_(options) {}
  void on_output(wire::Stream, std::string_view bytes) override {
    (void)write_all(STDOUT_FILENO, bytes);
  }
  void on_finding(const console::Finding& finding) override {
    options_.say("the kernel reports: " + finding.title);
  }

 private:
  const GdbOptions& options_;
};

Result<trial::Plan> plan_of(boost::asio::io_context& io, const spec::TrialSpec& spec,
                            const fs::path& scratch, const GdbOptions& options) {
  const StopOnSignal signals;
  return trial::prepare(io, spec,
                        {.payload = KTRIAL_TRY(trial::find_payload()),
                         .cache = options.cache,
                         .initramfs = scratch / "initramfs.cpio",
                         .progress = options.say,
                         .stop = signals.token()});
}

}  // namespace

std::string gdb_script(const fs::path& socket, std::optional<unsigned> vcpu) {
  // detach, kill and quit would let the guest run, or end its machine.
  std::string out = fmt::format(R"(set confirm off
set backtrace past-main on
target remote {}
define hook-quit
  disconnect
end
define detach
  disconnect
end
define kill
  disconnect
end
)",
                                socket.string());
  if (vcpu) out += fmt::format("thread {}\n", *vcpu + 1);
  return out;
}

Result<int> gdb_kept(boost::asio::io_context& io, const fs::path& artifacts,
                     std::optional<unsigned> vcpu, const GdbOptions& options) {
  const auto machine = KTRIAL_TRY(trial::load_kept_machine(io, artifacts));
  return debug(io, *machine, vcpu, options);
}

Result<int> gdb_booted(boost::asio::io_context& io, const spec::TrialSpec& spec,
                       const GdbOptions& options) {
  const TempDir scratch = KTRIAL_TRY(TempDir::create());
  const trial::Plan plan = KTRIAL_TRY(plan_of(io, spec, scratch.path(), options));
  SteadyClock clock(io);
  Shower shower(options);
  trial::Monitor monitor(clock, trial::limits_of(plan), shower);
  const auto channel = KTRIAL_TRY(plan.make_channel(scratch.path()));
  vm::VmConfig config = trial::cold_machine(plan, *channel);
  std::optional<root::FileServer> files;
  if (plan.root && plan.root->share) {
    files = KTRIAL_TRY(root::FileServer::start(io, *plan.root->share, scratch.path()));
    config.root = vm::VirtiofsDevice{files->socket(), root::kTag};
  } else if (plan.root && plan.root->disk) {
    config.root = *plan.root->disk;
  }
  const auto machine = KTRIAL_TRY(plan.vmm.make(config));
  KTRIAL_TRY(machine->start(monitor.vm_sink()));
  KTRIAL_TRY(channel->attach(*machine, monitor.channel_handlers()));
  monitor.begin(machine->process());
  options.say("booting " + plan.kernel.release);
  if (monitor.wait_hello())
    return fail(ErrorKind::environment, "the guest did not come to the agent's hello",
                "ktrial run --kernel ... --workload smoke says why");
  KTRIAL_TRY(machine->pause(patience()));
  channel->send(wire::encode(plan.run));
  options.say("the guest stands; `continue` starts " + plan.name());
  return debug(io, *machine, std::nullopt, options);
}

}  // namespace ktrial::interactive
