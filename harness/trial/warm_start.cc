#include "harness/trial/warm_start.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <chrono>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/kernel/digest.h"
#include "harness/trial/command_line.h"
#include "harness/trial/machine.h"
#include "harness/trial/watchman.h"

namespace ktrial::trial {
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

// Nothing in here outlives the key: what the template is a copy of.
Result<std::string> key_of(const Plan& plan) {
  vm::VmConfig config =
      template_machine(plan, *KTRIAL_TRY(plan.make_parking()), {"ram", "devices"});
  config.command_line = without_measured_words(config.command_line, *plan.kernel.arch);
  config.kernel = plan.kernel.sha256;
  config.initrd = KTRIAL_TRY(kernel::sha256_file(plan.initramfs));
  // TCG's counter is the host's: not even the same machine after a boot.
  const auto boot = KTRIAL_TRY(read_file("/proc/sys/kernel/random/boot_id", 4096));
  return kernel::sha256(plan.vmm.identity(config) + "\n" + boot).substr(0, 32);
}

std::string why_not(const Plan& plan) {
  if (!plan.vmm.identity) return "a machine of libvirt's always boots";
  if (plan.root && plan.root->disk) return "a root on a disk is no part of what is saved";
  if (plan.channel == channel::Kind::vhost_vsock)
    return "the channel vhost-vsock is not plugged in later; vhost-user-vsock and virtio-serial "
           "can be used";
  const bool served = plan.root && plan.root->share;
  if (served && plan.channel != channel::Kind::virtio_serial)
    return "one device is plugged in later: the root's file server or the channel, not both";
  if ((served || plan.channel != channel::Kind::virtio_serial) &&
      !plan.kernel.arch->machine(plan.spec.machine)->plugs)
    return "nothing can be plugged into this machine, and the channel or the root has to be";
  return "";
}

// Collects the console of a template's boot.
class Listener final : public Observer {
 public:
  void on_console(std::string_view bytes) override {
    constexpr std::size_t kMost = 8u << 20;
    if (console.size() < kMost) console += bytes;
  }
  std::string console;
};

Status watch_boot(const TrialContext& context, const Plan& plan, vm::Vm& vm, Monitor& monitor) {
  const Active active(context.active, monitor);
  const Watchman watchman(vm, monitor, context, plan);
  if (auto failed = monitor.wait_hello()) {
    if (std::holds_alternative<verdict::Interrupted>(*failed))
      return fail(ErrorKind::interrupted, "interrupted");
    return fail(ErrorKind::environment, "a template's boot did not come to the agent's hello");
  }
  // What is still under way shall not be in each copy.
  monitor.settle(plan.timeouts.report_settle, milliseconds(100));
  if (!monitor.console().findings().empty())
    return fail(ErrorKind::environment,
                "a template's boot had a report: " + monitor.console().findings().front().title);
  if (monitor.vm_ended())
    return fail(ErrorKind::environment, "a template's machine ended by itself");
  return {};
}

Status make_template(const TrialContext& context, const Plan& plan, const Limits& limits,
                     const fs::path& folder) {
  Listener listener;
  Monitor monitor(context.clock, limits, listener);
  const auto channel = KTRIAL_TRY(plan.make_parking());
  const auto vm = KTRIAL_TRY(
      plan.vmm.make(template_machine(plan, *channel, {folder / "ram", folder / "devices"})));
  KTRIAL_TRY(vm->start(monitor.vm_sink()));
  KTRIAL_TRY(channel->attach(*vm, monitor.channel_handlers()));
  monitor.begin(vm->process());
  KTRIAL_TRY(watch_boot(context, plan, *vm, monitor));
  if (vm->resumable() == nullptr)
    return fail(ErrorKind::environment, "this machine cannot be saved");
  const auto patience = spec::host_wait(spec::HostWait::template_save);
  KTRIAL_TRY(vm->pause(patience));
  KTRIAL_TRY(vm->resumable()->save(patience));
  vm->destroy();
  return write_file_atomically(folder / "console", listener.console);
}

// TCG loses boots (run/lost_boot.h): there it is booted once more, in files of its own.
Status boot_template(const TrialContext& context, const Plan& plan,
                     const vm::TemplateStore::Making& making) {
  const auto boot = [&](const std::string& step, bool first_of_two) -> Status {
    const auto bytes = static_cast<std::uint64_t>(plan.spec.memory_mib) << 20;
    KTRIAL_TRY(plan.warm->store.prepare(making, bytes));
    context.observer.on_step(step);
    return make_template(context, plan, limits_of_boot(plan, first_of_two), making.folder);
  };
  const bool emulated = plan.accel.accel == vm::Accel::tcg;
  auto made = boot("booting once, for a template that all trials start from", emulated);
  if (made || !emulated || made.error().kind == ErrorKind::interrupted) return made;
  return boot(made.error().message + "; booting once more", false);
}

Result<vm::TemplateStore::Lease> make(const TrialContext& context, const Plan& plan,
                                      vm::TemplateStore::Making making) {
  const std::array<fs::path, 2> paths = {making.folder, making.lock_file};
  for (const fs::path& path : paths) context.janitor.watch(path);
  const auto begun = context.clock.now();
  auto made = boot_template(context, plan, making);
  if (!made) vm::TemplateStore::discard(making);
  auto lease = made ? plan.warm->store.commit(std::move(making))
                    : Result<vm::TemplateStore::Lease>(std::unexpected(made.error()));
  for (const fs::path& path : paths) context.janitor.forget(path);
  const std::chrono::duration<double> took = context.clock.now() - begun;
  plan.warm->made_in_s += took.count();
  if (lease) context.observer.on_step(fmt::format("template made in {:.1f} s", took.count()));
  return lease;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

std::string from_hex(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return out;
}

}  // namespace

bool wants_warm_start(const spec::TrialSpec& spec, int of_many) {
  if (spec.deterministic) return false;
  if (spec.start != spec::Start::automatic) return spec.start == spec::Start::warm;
  const bool open_ended = spec.until_fail && spec.repeat == 1;
  return spec.vmm == spec::Vmm::qemu &&
         (open_ended || std::max(spec.repeat, of_many) >= kWorthATemplate);
}

Status plan_warm_start(Plan& plan, const vm::TemplateStore::Options& options) {
  const auto boots = [&](Error error) -> Status {
    if (plan.spec.start == spec::Start::warm) return std::unexpected(std::move(error));
    plan.start_reason = error.message;
    return {};
  };
  if (const std::string why = why_not(plan); !why.empty())
    return boots({ErrorKind::usage, "start: " + why, "use --start cold, or auto"});
  if (plan.spec.start == spec::Start::automatic && plan.accel.accel == vm::Accel::kvm)
    return boots({ErrorKind::environment, "under KVM only where it is asked for", ""});
  auto store = vm::TemplateStore::open(options);
  if (!store) return boots(std::move(store).error());
  auto key = key_of(plan);
  if (!key) return boots(std::move(key).error());
  plan.warm = std::make_shared<WarmStart>(WarmStart{*std::move(store), *std::move(key), ""});
  return {};
}

Result<vm::TemplateStore::Lease> take_template(const TrialContext& context, const Plan& plan) {
  constexpr milliseconds kPause{20};
  const auto until = context.clock.now() + spec::host_wait(spec::HostWait::template_wait);
  for (bool told = false;; told = true) {
    auto entry = KTRIAL_TRY(plan.warm->store.take(plan.warm->key));
    if (auto* lease = std::get_if<vm::TemplateStore::Lease>(&entry)) return std::move(*lease);
    if (auto* making = std::get_if<vm::TemplateStore::Making>(&entry))
      return make(context, plan, std::move(*making));
    if (context.interrupted && context.interrupted())
      return fail(ErrorKind::interrupted, "interrupted");
    if (context.clock.now() >= until)
      return fail(ErrorKind::environment, "another job did not get its template made");
    if (!told) context.observer.on_step("waiting for the template that another job makes");
    context.clock.wait(context.clock.now() + kPause);
  }
}

Awakening awakening(const std::string& seed, channel::Kind channel) {
  Awakening out;
  out.message.seed = from_hex(seed);
  if (seed.empty()) {
    std::array<char, spec::kSeedBytes> fresh{};
    if (::getentropy(fresh.data(), fresh.size()) == 0)
      out.message.seed.assign(fresh.data(), fresh.size());
  }
  out.seed = hex(out.message.seed);
  out.message.wall_ns =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
  if (channel != channel::Kind::virtio_serial) {
    out.message.control_port = wire::kControlPort;
    out.message.beat_port = wire::kBeatPort;
  }
  return out;
}

}  // namespace ktrial::trial
