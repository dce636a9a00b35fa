#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <string_view>

#include "guest/wire/script.h"
#include "harness/base/file.h"
#include "harness/base/installation.h"
#include "harness/guest_image/initramfs.h"
#include "harness/guest_image/modules.h"
#include "harness/guest_image/program.h"
#include "harness/kernel/digest.h"
#include "harness/spec/combination.h"
#include "harness/spec/parse.h"
#include "harness/spec/validate.h"
#include "harness/trial/black_box.h"
#include "harness/trial/command_line.h"
#include "harness/trial/exact.h"
#include "harness/trial/facts.h"
#include "harness/trial/own_modules.h"
#include "harness/trial/perturbation.h"
#include "harness/trial/plan.h"
#include "harness/trial/plan_machine.h"
#include "harness/trial/warm_start.h"
#include "harness/vm/qemu/instrument.h"

namespace ktrial::trial {
namespace fs = std::filesystem;

namespace {

constexpr char kMix[] = "/ktrial-mix";  // in the initramfs

std::vector<std::string> workload_argv(const spec::WorkloadInfo& info,
                                       const std::map<std::string, std::string>& parameters,
                                       double duration_s) {
  std::vector<std::string> argv = {std::string(guest_image::kWorkloadsDir) + "/" + info.name,
                                   fmt::format("--duration={:g}", duration_s)};
  for (const auto& [key, value] : parameters) argv.push_back("--" + key + "=" + value);
  return argv;
}

// Of several that run beside each other, one program starts them all: "mix A --x=1 + B --y=2".
Result<std::vector<std::string>> mix_argv(const Plan& plan, double duration_s) {
  std::vector<std::string> argv = {kMix};
  for (const spec::WorkloadInfo& part : plan.workload->parts) {
    const auto parameters = KTRIAL_TRY(spec::resolve_parameters(
        part, spec::settings_of(part, plan.spec.parameters), plan.spec.parameter_places));
    if (argv.size() > 1) argv.push_back("+");
    const auto one = workload_argv(part, parameters, duration_s);
    argv.insert(argv.end(), one.begin(), one.end());
  }
  return argv;
}

// Sets what a workload of ours is told, and what the host does meanwhile.
Status plan_workload(Plan& plan, double duration_s) {
  const auto& info = *plan.workload;
  auto parameters =
      KTRIAL_TRY(spec::resolve_parameters(info, plan.spec.parameters, plan.spec.parameter_places));
  plan.run.argv = info.parts.empty() ? workload_argv(info, parameters, duration_s)
                                     : KTRIAL_TRY(mix_argv(plan, duration_s));
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
    plan.run.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    plan.root ? "HOME=/root" : "HOME=/", "TERM=dumb"};
    if (!plan.spec.output.empty()) plan.run.env.push_back("KTRIAL_OUTPUT=/run/output");
    plan.run.env.insert(plan.run.env.end(), plan.spec.env.begin(), plan.spec.env.end());
  }
  const auto duration = duration_s > 0 ? spec::Milliseconds(static_cast<long>(duration_s * 1000))
                                       : plan.timeouts.duration_default;
  plan.total = plan.spec.timeout.value_or(plan.timeouts.whole_trial(duration));
  return {};
}

constexpr char kInput[] = "/ktrial-input", kOutput[] = "/ktrial-output";  // in the initramfs

// Whether the root has programs of its own, so that the command is not packed.
bool has_programs(const root::Root& root) {
  return root.share || root.disk || !root.archive.empty();
}

// What gives the command its root, folder and input runs first.
void wrap(Plan& plan) {
  const spec::TrialSpec& spec = plan.spec;
  if (plan.workload ||
      (!plan.root && spec.cwd.empty() && spec.input.empty() && spec.output.empty()))
    return;
  std::vector<std::string> argv = {root::kUserland};
  if (plan.root)
    argv.insert(argv.end(), plan.root->guest_arguments.begin(), plan.root->guest_arguments.end());
  std::error_code error;
  if (!spec.cwd.empty())
    argv.push_back("--cwd=" + spec.cwd);
  else if (plan.root && plan.root->share && plan.root->share->host)
    argv.push_back("--try-cwd=" + fs::current_path(error).string());
  if (!spec.input.empty()) argv.push_back(std::string("--input=") + kInput);
  if (!spec.output.empty()) argv.push_back(std::string("--output=") + kOutput);
  argv.push_back("--");
  argv.insert(argv.end(), plan.run.argv.begin(), plan.run.argv.end());
  plan.run.argv = std::move(argv);
}

// A command of the host's, with what it needs; a root's own entries give way to it. In a root of
// busybox it may also be one of busybox's own.
Status pack_command(Plan& plan, const PrepareOptions& options,
                    std::vector<guest_image::Entry>& entries) {
  plan.program = plan.spec.command.front();
  std::set<std::string> taken;
  auto packed = guest_image::pack_program(plan.program, options.stop);
  const auto is_applet = [&](const guest_image::Entry& entry) {
    return entry.path == "/usr/bin/" + plan.program;
  };
  const bool applet = plan.root && std::ranges::any_of(plan.root->entries, is_applet);
  if (!packed && !applet) return std::unexpected(std::move(packed).error());
  if (!applet) {
    for (guest_image::Entry& entry : packed->entries) {
      taken.insert(entry.path);
      entries.push_back(std::move(entry));
    }
    for (const std::string& note : packed->notes)
      if (options.progress && !plan.root) options.progress(note);
    plan.program = packed->path;
  }
  if (plan.root)
    for (const guest_image::Entry& entry : plan.root->entries)
      if (!taken.contains(entry.path)) entries.push_back(entry);
  plan.run.argv[0] = plan.program;
  return {};
}

Status pack_workload(const Plan& plan, const PrepareOptions& options,
                     std::vector<guest_image::Entry>& entries) {
  const auto& whole = *plan.workload;
  const bool one = whole.parts.empty();
  if (!one)
    entries.push_back(
        {kMix, guest_image::GuestProgram{options.payload / "guest" / "ktrial-mix"}, 0755});
  for (const spec::WorkloadInfo& part : one ? std::vector{whole} : whole.parts) {
    entries.push_back(guest_image::workload_entry(part.name, part.directory / part.name));
    KTRIAL_TRY(add_own_modules(part, plan.kernel, options, entries));
  }
  return {};
}

// Adds it to `entries`.
Status pack(Plan& plan, const PrepareOptions& options, std::vector<guest_image::Entry>& entries) {
  if (plan.workload) {
    return pack_workload(plan, options, entries);
  }
  if (plan.root && has_programs(*plan.root))
    plan.program = plan.spec.command.front();
  else
    KTRIAL_TRY(pack_command(plan, options, entries));
  entries.push_back({root::kUserland,
                     guest_image::GuestProgram{options.payload / "guest" / "ktrial-userland"},
                     0755});
  if (!plan.spec.input.empty()) entries.push_back({kInput, guest_image::HostFile{plan.spec.input}});
  if (!plan.spec.output.empty()) entries.push_back({kOutput, guest_image::Directory{}, 01777});
  return {};
}

// The tree that is to lie in the guest's RAM: a second archive behind the first.
Status append_archive(const fs::path& archive, const fs::path& initramfs) {
  const Fd from = KTRIAL_TRY(open_file(archive, O_RDONLY));
  const Fd to = KTRIAL_TRY(open_file(initramfs, O_WRONLY | O_APPEND));
  std::string chunk(1 << 20, '\0');
  for (;;) {
    const ssize_t got = ::read(from.get(), chunk.data(), chunk.size());
    if (got < 0) return fail_errno("read " + archive.string(), errno);
    if (got == 0) return {};
    KTRIAL_TRY(write_all(to.get(), std::string_view(chunk).substr(0, static_cast<std::size_t>(got)),
                         initramfs));
  }
}

Status choose_root(Plan& plan, const PrepareOptions& options) {
  plan.root = KTRIAL_TRY(root::choose({.spec = plan.spec,
                                       .kernel = plan.kernel,
                                       .cache = options.cache,
                                       .progress = options.progress,
                                       .stop = options.stop}));
  if (!plan.root || !options.progress) return {};
  options.progress("root " + plan.root->what);
  for (const std::string& note : plan.root->notes) options.progress(note);
  return {};
}

// All that the host would say to it, in the guest's own time.
std::string script_of(const Plan& plan) {
  const auto times = spec::guest_timeouts(spec::profile_tcg());
  auto duration = times.duration_default;
  if (plan.workload && plan.workload->default_duration_s)
    duration = spec::Milliseconds(static_cast<long>(*plan.workload->default_duration_s * 1000));
  if (plan.spec.duration) duration = *plan.spec.duration;
  const auto total = plan.spec.timeout.value_or(times.whole_trial(duration));
  wire::Run run = plan.run;
  run.deadline_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(total).count());
  return wire::encode(wire::ReadCounters{}) + wire::encode(run) +
         wire::encode(wire::ReadCounters{}) + wire::encode(wire::PowerOff{});
}

// What of the workload cannot be.
Status check_determinism(const Plan& plan) {
  if (!plan.workload) return {};
  if (plan.workload->needs_vsock || plan.workload->host)
    return usage_error("deterministic: the host speaks to workload " + plan.workload->name +
                           " while it runs, by its own time",
                       "leave --deterministic out, or take another workload");
  // Measured: its callers have what there is of the one thread, and no switch of code ever ends.
  if (plan.workload->patches_code)
    return usage_error("deterministic: workload " + plan.workload->name +
                           " comes to no end where all vCPUs take turns",
                       "leave --deterministic out, or take another workload");
  return {};
}

Status choose_workload(Plan& plan, const PrepareOptions& options) {
  const spec::TrialSpec& spec = plan.spec;
  if (spec.command.empty()) {
    plan.workload = KTRIAL_TRY(spec::find_workload(options.payload / "workloads", spec.workload));
    KTRIAL_TRY(spec::check_requirements(*plan.workload, spec));
  }
  if (spec.deterministic) KTRIAL_TRY(check_determinism(plan));
  plan.trace = KTRIAL_TRY(spec::parse_trace(spec.trace));
  if (plan.trace.any() && traces_itself(plan))
    return usage_error("trace: workload " + plan.workload->name +
                       " switches tracing on and off itself: what it leaves is no trace");
  return {};
}

std::string fact_of(const results::Facts& facts, std::string_view key) {
  const auto it = std::ranges::find(facts, key, &results::Facts::value_type::first);
  return it == facts.end() ? std::string() : it->second;
}

// Once the initramfs is written.
Status pin(Plan& plan) {
  results::Determinism& pinned = plan.pinned;
  const fs::path qemu = fact_of(plan.vmm.facts, "qemu.program");
  pinned.qemu_version = plan.vmm.version;
  pinned.qemu_sha256 = KTRIAL_TRY(kernel::sha256_file(qemu));
  pinned.kernel_sha256 = plan.kernel.sha256;
  pinned.initramfs_sha256 = KTRIAL_TRY(kernel::sha256_file(plan.initramfs));
  return {};
}

Status plan_exact(Plan& plan, const PrepareOptions& options) {
  if (const std::string why =
          why_cpus_starve(plan.kernel.release, plan.vmm.version, plan.spec.cpus);
      !why.empty())
    return usage_error("deterministic: " + why,
                       "take --cpus 1, Linux from 6.5 on, or QEMU from 8.1 on");
  vm::Exact exact{.seed = plan.spec.seed, .shift = plan.spec.shift};
  auto plugin =
      vm::choose_plugin(host_programs(), plan.vmm.version, fact_of(plan.vmm.facts, "qemu.program"));
  exact.plugin = plugin.file;
  exact.clock = KTRIAL_TRY(vm::find_clock(host_programs()));
  plan.no_plugin = plugin.why_not;
  if (!plugin.why_not.empty() && options.progress)
    options.progress("deterministic, but the end state cannot be compared: " + plugin.why_not);
  plan.exact = exact;
  plan.timeouts.detectors = spec::guest_timeouts(spec::profile_tcg()).detectors;
  return {};
}

Status write_guest(Plan& plan, const PrepareOptions& options) {
  KTRIAL_TRY(choose_root(plan, options));
  KTRIAL_TRY(plan_program(plan));
  plan.initramfs = options.initramfs;
  if (options.packed) {
    plan.program = plan.run.argv.front();
    KTRIAL_TRY(replace_with_copy(*options.packed, options.initramfs));
    wrap(plan);
    return {};
  }
  std::vector<guest_image::Entry> entries = {
      guest_image::init_entry(options.payload / "guest" / "ktrial-init")};
  KTRIAL_TRY(pack(plan, options, entries));
  wrap(plan);
  if (plan.spec.deterministic)
    entries.push_back({wire::kScript, guest_image::Bytes{script_of(plan)}});
  std::vector<std::string> wanted = channel::guest_modules(plan.channel);
  if (wants_warm_start(plan.spec, options.of_many)) {
    const auto parking = channel::guest_modules(channel::Kind::virtio_serial);
    wanted.insert(wanted.end(), parking.begin(), parking.end());
  }
  if (plan.workload)
    wanted.insert(wanted.end(), plan.workload->modules.begin(), plan.workload->modules.end());
  if (plan.root) wanted.insert(wanted.end(), plan.root->modules.begin(), plan.root->modules.end());
  auto closure = KTRIAL_TRY(guest_image::closure(plan.kernel, wanted));
  for (guest_image::Entry& entry : guest_image::module_entries(closure.modules))
    entries.push_back(std::move(entry));
  KTRIAL_TRY(guest_image::write_initramfs(std::move(entries), options.initramfs));
  if (plan.root && !plan.root->archive.empty())
    KTRIAL_TRY(append_archive(plan.root->archive, options.initramfs));
  return {};
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
  plan.one_of_many =
      options.of_many > 1 || spec.repeat > 1 || spec.until_fail || !spec.axes.empty();
  // What was packed before may lack the modules for it.
  const bool wants_warm = wants_warm_start(spec, options.of_many);
  const bool warm = wants_warm && !options.packed;
  if (wants_warm && !warm)
    plan.start_reason = "its initramfs was packed before, without what a template needs";

  KTRIAL_TRY(choose_workload(plan, options));
  KTRIAL_TRY(plan_kernel(io, plan, options));
  KTRIAL_TRY(plan_channel(io, plan, warm || spec.keep_machine));
  KTRIAL_TRY(plan_accel(io, plan, options));
  plan.kernel_facts = facts_of(plan.kernel);
  plan.host_facts = host_facts(plan.vmm);
  plan_waits(plan, options);
  if (spec.deterministic) KTRIAL_TRY(plan_exact(plan, options));
  KTRIAL_TRY(plan_perturbation(plan, host_programs(), fact_of(plan.vmm.facts, "qemu.program"),
                               has_one_thread(plan)));
  if (has_one_thread(plan)) plan.command_line = "ktrial.tcg=single ";
  plan.command_line += black_box_arguments(plan);
  plan.command_line += kernel_command_line(spec, plan.timeouts, plan.kernel, plan.accel.accel);
  KTRIAL_TRY(write_guest(plan, options));
  if (plan.exact) KTRIAL_TRY(pin(plan));
  if (warm) KTRIAL_TRY(plan_warm_start(plan, vm::TemplateStore::default_options()));
  return plan;
}

Result<fs::path> find_payload() {
  std::vector<fs::path> candidates;
  if (const char* named = std::getenv("KTRIAL_PAYLOAD"); named != nullptr && *named != '\0')
    candidates.push_back(named);
  if (const fs::path place = installation(); !place.empty())
    candidates.push_back(place / "share" / "ktrial");
  for (const fs::path& path : candidates)
    if (guest_image::is_there({path / "guest" / "ktrial-init"})) return path;
  return fail(ErrorKind::environment,
              "the guest payload is missing: no guest/ktrial-init in " +
                  (candidates.empty() ? "?" : candidates.front().string()),
              "build it with `./bootstrap.sh build`, or set KTRIAL_PAYLOAD");
}

}  // namespace ktrial::trial
