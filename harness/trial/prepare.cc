#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string_view>
#include <thread>

#include "harness/base/file.h"
#include "harness/guest_image/initramfs.h"
#include "harness/guest_image/modules.h"
#include "harness/guest_image/program.h"
#include "harness/kernel/build/module_build.h"
#include "harness/spec/parse.h"
#include "harness/trial/black_box.h"
#include "harness/trial/facts.h"
#include "harness/trial/plan.h"
#include "harness/vm/tsc.h"

namespace ktrial::trial {
namespace fs = std::filesystem;

namespace {

int host_cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

// Timer ticks a second of this kernel; 0: unknown.
unsigned timer_hz(const kernel::Kernel& kernel) {
  // Debian's kernels of the last decades; its later packages come without a config.
  if (!kernel.config) return kernel.release.ends_with("-amd64") ? 250 : 0;
  const auto config = read_file(*kernel.config);
  if (!config) return 0;
  static constexpr std::string_view kKey = "\nCONFIG_HZ=";
  const std::size_t at = config->find(kKey);
  if (at == std::string::npos) return 0;
  return static_cast<unsigned>(std::strtoul(config->c_str() + at + kKey.size(), nullptr, 10));
}

// The guest kernel's command line: evidence first (KERNEL-side detectors on,
// everything on the console), speed second, the user's words last, so that they win.
std::string kernel_command_line(const spec::TrialSpec& spec, const spec::Timeouts& timeouts,
                                const kernel::Kernel& kernel, vm::Accel accel) {
  std::vector<std::string> words = {
      "console=ttyS0",
      "ignore_loglevel",
      "printk.time=1",
      "printk.devkmsg=on",
      "panic=-1",           // reset at once: QEMU then ends, and we know
      "unknown_nmi_panic",  // our NMI turns a silent hang into backtraces ...
      "panic_print=0x40",   // ... of all CPUs
      "softlockup_all_cpu_backtrace=1",
      "sysrq_always_enabled",
      "audit=0",
      "random.trust_cpu=on",
  };
  if (accel == vm::Accel::tcg) {
    words.push_back("tsc=reliable");  // else HPET: slow, odd stamps
    // The IO-APIC timer check counts ticks in real time: on a busy host it panics.
    words.push_back("no_timer_check");
    const unsigned tsc_khz = vm::host_tsc_khz();
    // TCG's TSC is the host's. A kernel that calibrates it against the PIT on a busy
    // host may be wrong by a factor of thirty: its clock then runs away and every
    // detector fires. (A microvm has no PIT at all.)
    if (tsc_khz != 0) words.push_back(fmt::format("tsc_early_khz={}", tsc_khz));
    // TCG's TSC is not "constant", so every CPU would measure its delay loop, badly
    // and for a tenth of a second; this is the value that a real TSC gives.
    if (const unsigned hz = timer_hz(kernel); hz != 0 && tsc_khz != 0)
      words.push_back(fmt::format("lpj={}", tsc_khz * 1000ULL / hz));
  }
  for (std::string& word : spec::detector_arguments(timeouts.detectors))
    words.push_back(std::move(word));
  std::string out;
  for (const std::string& word : words) out += word + " ";
  return out + spec.append;
}

std::vector<std::string> workload_argv(const spec::WorkloadInfo& info,
                                       const std::map<std::string, std::string>& parameters,
                                       double duration_s) {
  std::vector<std::string> argv = {std::string(guest_image::kWorkloadsDir) + "/" + info.name,
                                   fmt::format("--duration={:g}", duration_s)};
  for (const auto& [key, value] : parameters) argv.push_back("--" + key + "=" + value);
  return argv;
}

// A workload may bring a kernel module: its source lies in module/, it is built
// for the kernel on trial and packed as /workloads/MODULE.ko. One that cannot be
// built is no error: the workload finds it missing, and says that it cannot run.
Status add_own_module(const Plan& plan, const PrepareOptions& options,
                      std::vector<guest_image::Entry>& entries) {
  const fs::path source = plan.workload->directory / "module";
  std::error_code error;
  if (!fs::exists(source / "Kbuild", error)) return {};
  const std::string name = "ktrial_" + plan.workload->name;
  auto built = kernel::build_module(plan.kernel, source, name,
                                    {.cache_dir = options.cache,
                                     .offline = options.offline,
                                     .progress = options.progress,
                                     .stop = options.stop});
  if (built) {
    entries.push_back({std::string(guest_image::kWorkloadsDir) + "/" + name + ".ko",
                       guest_image::HostFile{built->file}, 0644});
    if (!built->note.empty() && options.progress) options.progress(name + ".ko: " + built->note);
    return {};
  }
  if (built.error().kind != ErrorKind::environment) return std::unexpected(built.error());
  if (options.progress)
    options.progress(std::string(kNoModule) + built.error().message +
                     (built.error().hint.empty() ? "" : " (" + built.error().hint + ")"));
  return {};
}

// Sets what a workload of ours is told, and what the host does meanwhile.
Status plan_workload(Plan& plan, double duration_s) {
  const auto& info = *plan.workload;
  auto parameters =
      KTRIAL_TRY(spec::resolve_parameters(info, plan.spec.parameters, plan.spec.parameter_places));
  plan.run.argv = workload_argv(info, parameters, duration_s);
  plan.progress =
      std::chrono::milliseconds(static_cast<long>(info.stall_after_s * 1000 * plan.timeouts.scale));
  if (info.host && info.host->action == "vsock-connect")
    plan.host_port = static_cast<std::uint32_t>(
        std::strtoul(parameters[info.host->port_parameter].c_str(), nullptr, 10));
  return {};
}

// Sets what runs in the guest, and for how long at most.
Status plan_program(Plan& plan) {
  double duration_s = 0;
  if (plan.workload) duration_s = plan.workload->default_duration_s.value_or(0);
  if (plan.spec.duration) duration_s = plan.spec.duration->count() / 1000.0;
  if (plan.workload) {
    KTRIAL_TRY(plan_workload(plan, duration_s));
  } else {
    plan.run.argv = plan.spec.command;
    plan.run.env = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/", "TERM=dumb"};
  }
  const auto duration = duration_s > 0 ? spec::Milliseconds(static_cast<long>(duration_s * 1000))
                                       : plan.timeouts.duration_default;
  plan.total = plan.spec.timeout.value_or(plan.timeouts.whole_trial(duration));
  return {};
}

// Adds it to `entries`.
Status pack(Plan& plan, const PrepareOptions& options, std::vector<guest_image::Entry>& entries) {
  if (plan.workload) {
    const auto& info = *plan.workload;
    entries.push_back(guest_image::workload_entry(info.name, info.directory / info.name));
    return add_own_module(plan, options, entries);
  }
  auto packed = KTRIAL_TRY(guest_image::pack_program(plan.spec.command.front(), options.stop));
  entries.insert(entries.end(), packed.entries.begin(), packed.entries.end());
  for (const std::string& note : packed.notes)
    if (options.progress) options.progress(note);
  plan.run.argv[0] = packed.path;
  return {};
}

Status write_guest(Plan& plan, const PrepareOptions& options) {
  KTRIAL_TRY(plan_program(plan));
  plan.initramfs = options.initramfs;
  if (options.packed) {
    std::error_code error;
    fs::copy_file(*options.packed, options.initramfs, error);
    if (!error) return {};
    return fail_errno("copy " + options.packed->string(), error.value(), ErrorKind::usage);
  }
  std::vector<guest_image::Entry> entries = {
      guest_image::init_entry(options.payload / "guest" / "ktrial-init")};
  KTRIAL_TRY(pack(plan, options, entries));
  std::vector<std::string> wanted = channel::guest_modules(plan.channel);
  if (plan.workload)
    wanted.insert(wanted.end(), plan.workload->modules.begin(), plan.workload->modules.end());
  auto closure = KTRIAL_TRY(guest_image::closure(plan.kernel, wanted));
  for (guest_image::Entry& entry : guest_image::module_entries(closure.modules))
    entries.push_back(std::move(entry));
  return guest_image::write_initramfs(std::move(entries), options.initramfs);
}

}  // namespace

std::string Plan::name() const {
  return workload ? workload->name : fs::path(spec.command.front()).filename().string();
}

Result<Plan> prepare(boost::asio::io_context& io, const spec::TrialSpec& spec,
                     const PrepareOptions& options) {
  KTRIAL_TRY(spec::validate(spec));
  KTRIAL_TRY(spec::environment_scale());
  Plan plan{.spec = spec, .symbols = options.cache / "symbols"};
  if (spec.command.empty()) {
    plan.workload = KTRIAL_TRY(spec::find_workload(options.payload / "workloads", spec.workload));
    KTRIAL_TRY(spec::check_requirements(*plan.workload, spec));
  }
  plan.trace = KTRIAL_TRY(spec::parse_trace(spec.trace));
  if (plan.trace.any() && traces_itself(plan))
    return usage_error("trace: workload " + plan.workload->name +
                       " switches tracing on and off itself: what it leaves is no trace");
  plan.vmm = KTRIAL_TRY(choose_vmm(io, spec, options.stop));
  const auto reference = KTRIAL_TRY(kernel::parse_reference(spec.kernel));
  plan.kernel = KTRIAL_TRY(kernel::resolve(reference, {.cache_dir = options.cache,
                                                       .offline = options.offline,
                                                       .progress = options.progress,
                                                       .stop = options.stop,
                                                       .git = options.git}));
  auto channel = KTRIAL_TRY(
      choose_channel(spec, plan.workload && plan.workload->needs_vsock, plan.kernel, plan.vmm));
  plan.channel = channel.kind;
  plan.channel_reason = channel.reason;
  plan.make_channel = [&io, kind = channel.kind](const fs::path& scratch) {
    return channel::make_channel(io, kind, scratch);
  };

  vm::AccelQuery query{.wanted = std::nullopt,
                       .kernel = plan.kernel.image,
                       .kernel_id = plan.kernel.sha256,
                       .cache = options.cache / "accel.json"};
  if (spec.accel == spec::Accel::kvm) query.wanted = vm::Accel::kvm;
  if (spec.accel == spec::Accel::tcg) query.wanted = vm::Accel::tcg;
  // libvirtd may open what we may not, and the other way round.
  if (spec.vmm == spec::Vmm::libvirt) query.kvm_device.clear();
  SteadyClock clock(io);
  plan.accel = KTRIAL_TRY(vm::choose_accel(clock, query, plan.vmm.version, plan.vmm.make));
  plan.kernel_facts = facts_of(plan.kernel);
  plan.host_facts = host_facts(plan.vmm);

  const bool kvm = plan.accel.accel == vm::Accel::kvm;
  const bool one_thread = !kvm && plan.workload && plan.workload->patches_code;
  plan.overcommit =
      one_thread ? spec.cpus * spec::load_scale(1 + options.beside_vcpus / spec.cpus, host_cores())
                 : spec::load_scale(spec.cpus + options.beside_vcpus, host_cores());
  plan.timeouts =
      spec::make_timeouts(plan.overcommit, kvm ? spec::profile_kvm() : spec::profile_tcg());
  if (one_thread) plan.command_line = "ktrial.tcg=single ";  // the workload asks for it
  plan.command_line += black_box_arguments(plan);
  plan.command_line += kernel_command_line(spec, plan.timeouts, plan.kernel, plan.accel.accel);
  KTRIAL_TRY(write_guest(plan, options));
  return plan;
}

Result<fs::path> find_payload() {
  std::vector<fs::path> candidates;
  if (const char* named = std::getenv("KTRIAL_PAYLOAD"); named != nullptr && *named != '\0')
    candidates.push_back(named);
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error) candidates.push_back(self.parent_path().parent_path() / "share" / "ktrial");
  for (const fs::path& path : candidates)
    if (::access((path / "guest" / "ktrial-init").c_str(), R_OK) == 0) return path;
  return fail(ErrorKind::environment,
              "the guest payload is missing: no guest/ktrial-init in " +
                  (candidates.empty() ? "?" : candidates.front().string()),
              "build it with `./bootstrap.sh build`, or set KTRIAL_PAYLOAD");
}

}  // namespace ktrial::trial
