#include "harness/trial/plan_machine.h"

#include "harness/base/host_cpus.h"
#include "harness/channel/make_channel.h"
#include "harness/channel/one_way.h"

namespace ktrial::trial {
namespace fs = std::filesystem;

Status plan_kernel(boost::asio::io_context& io, Plan& plan, const PrepareOptions& options) {
  plan.vmm = KTRIAL_TRY(choose_vmm(io, plan.spec, arch::native(), options.stop));
  const auto reference = KTRIAL_TRY(kernel::parse_reference(plan.spec.kernel));
  plan.kernel = KTRIAL_TRY(kernel::resolve(reference, {.cache_dir = options.cache,
                                                       .offline = options.offline,
                                                       .progress = options.progress,
                                                       .stop = options.stop,
                                                       .git = options.git}));
  const arch::Arch& arch = *plan.kernel.arch;
  if (arch.machine(plan.spec.machine) == nullptr)
    return usage_error("machine: " + plan.spec.machine + " is none of " + arch.name +
                       ", for which the kernel is");
  if (&arch != &arch::native())
    plan.vmm = KTRIAL_TRY(choose_vmm(io, plan.spec, arch, options.stop));
  return {};
}

Status plan_channel(boost::asio::io_context& io, Plan& plan, bool saves) {
  spec::TrialSpec wanted = plan.spec;
  if (wanted.deterministic) wanted.channel = spec::ChannelKind::virtio_serial;
  auto channel = KTRIAL_TRY(choose_channel(wanted, plan.workload && plan.workload->needs_vsock,
                                           plan.kernel, plan.vmm, saves));
  plan.channel = channel.kind;
  plan.channel_reason = channel.reason;
  plan.make_channel = [&io, kind = channel.kind, mute = wanted.deterministic](
                          const fs::path& scratch) -> Result<std::unique_ptr<channel::Channel>> {
    auto made = KTRIAL_TRY(channel::make_channel(io, kind, scratch));
    return mute ? channel::one_way(std::move(made)) : std::move(made);
  };
  plan.make_parking = [&io] { return channel::make_channel(io, channel::Kind::virtio_serial, {}); };
  return {};
}

Status plan_accel(boost::asio::io_context& io, Plan& plan, const PrepareOptions& options) {
  const spec::TrialSpec& spec = plan.spec;
  vm::AccelQuery query{.wanted = std::nullopt,
                       .kernel = plan.kernel.nearest(),
                       .arch = plan.kernel.arch,
                       .kernel_id = plan.kernel.sha256,
                       .cache = options.cache / "accel.json"};
  if (spec.accel == spec::Accel::kvm) query.wanted = vm::Accel::kvm;
  if (spec.accel == spec::Accel::tcg || spec.deterministic || spec.one_thread ||
      !spec.delay_at.empty())
    query.wanted = vm::Accel::tcg;
  // libvirtd may open what we may not, and the other way round.
  if (spec.vmm == spec::Vmm::libvirt) query.kvm_device.clear();
  SteadyClock clock(io);
  plan.accel = KTRIAL_TRY(vm::choose_accel(clock, query, plan.vmm.version, plan.vmm.make));
  return {};
}

bool has_one_thread(const Plan& plan) {
  return plan.accel.accel == vm::Accel::tcg &&
         (plan.spec.one_thread || (plan.workload && plan.workload->patches_code));
}

void plan_waits(Plan& plan, const PrepareOptions& options) {
  const int cpus = plan.spec.cpus, beside = options.beside_vcpus;
  plan.overcommit = plan.spec.deterministic ? spec::load_scale(1 + beside, host_cpus())
                    : has_one_thread(plan) ? cpus * spec::load_scale(1 + beside / cpus, host_cpus())
                                           : spec::load_scale(cpus + beside, host_cpus());
  plan.timeouts = spec::make_timeouts(plan.overcommit, plan.accel.accel == vm::Accel::kvm
                                                           ? spec::profile_kvm()
                                                           : spec::profile_tcg());
}

}  // namespace ktrial::trial
