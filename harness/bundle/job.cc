#include "harness/bundle/job.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "harness/base/file.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/kernel.h"
#include "harness/kernel/lock.h"
#include "harness/spec/parse.h"
#include "harness/spec/validate.h"

namespace ktrial::bundle {
namespace fs = std::filesystem;
namespace {

// What was asked for, as far as a record of any age says it.
spec::TrialSpec spec_of(const results::SpecSummary& summary) {
  spec::TrialSpec out;
  out.kernel = summary.kernel;
  if (!summary.workload.empty()) out.workload = summary.workload;
  out.command = summary.command;
  out.parameters = {summary.parameters.begin(), summary.parameters.end()};
  if (summary.cpus > 0) out.cpus = summary.cpus;
  if (summary.memory_mib > 0) out.memory_mib = summary.memory_mib;
  const auto milliseconds = [](double seconds) -> std::optional<spec::Milliseconds> {
    if (!(seconds > 0) || seconds > 1e9) return std::nullopt;
    return spec::Milliseconds(static_cast<long>(seconds * 1000));
  };
  out.duration = milliseconds(summary.duration_s);
  out.timeout = milliseconds(summary.timeout_s);
  out.trace = summary.trace;
  out.append = summary.append;
  if (auto accel = spec::parse_accel(summary.accel)) out.accel = *accel;
  if (auto machine = spec::parse_machine(summary.machine)) out.machine = *machine;
  return out;
}

// Only what says what runs within the guest, and how large it is.
spec::TrialSpec guest_part(const spec::TrialSpec& spec) {
  // All of it: what is added there must be decided upon here.
  const auto& [kernel, workload, parameters, parameter_places, cpus, memory_mib, repeat, until_fail,
               duration, timeout, trace, trace_buffer_kib, trace_clock, trace_stop, core, fail_on,
               accel, vmm, connect, channel, machine, append, start, guest_seed, confirm_cold,
               keep_machine, deterministic, seed, shift, one_thread, delay_at, perturb, command,
               root, cwd, env, shares, input, output, axes] = spec;
  spec::TrialSpec out;
  out.workload = workload;
  out.parameters = parameters;
  out.cpus = cpus;
  out.memory_mib = memory_mib;
  out.duration = duration;
  out.timeout = timeout;
  out.trace = trace;
  out.trace_buffer_kib = trace_buffer_kib;
  out.trace_clock = trace_clock;
  out.trace_stop = trace_stop;
  out.fail_on = fail_on;
  out.accel = accel;
  out.machine = machine;
  out.append = append;
  out.deterministic = deterministic;
  out.seed = seed;
  out.shift = shift;
  out.one_thread = one_thread;
  out.delay_at = delay_at;
  out.perturb = perturb;
  out.command = command;
  out.root = root;
  out.cwd = cwd;
  out.env = env;
  // How it is started is this host's to decide. Paths of the host on which it ran: `shares`,
  // `input` and `output` are none of the guest's part.
  return out;
}

// Where the packed command lies in the guest; of a ktrial that did not say so, by its rules.
std::string program_of(const results::RunRecord& run, const std::string& command) {
  if (const std::string said = fact(run.facts, "guest.program"); !said.empty()) return said;
  if (!command.contains('/')) return command;
  return (run.working_dir / command).lexically_normal().string();
}

std::optional<run::Job> kept_job(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder / "job.json", error)) return std::nullopt;
  auto job = run::load_job(folder / "job.json");
  if (!job) return std::nullopt;
  return *std::move(job);
}

Status check_memory(const spec::TrialSpec& spec) {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGE_SIZE);
  const std::uint64_t mib =
      pages > 0 && page > 0
          ? (static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page)) >> 20
          : UINT64_MAX;
  if (static_cast<std::uint64_t>(spec.memory_mib) <= mib) return {};
  return usage_error(fmt::format("its machine has {} MiB, and this host {}", spec.memory_mib, mib),
                     "replay it on a host with more memory");
}

// The bundle's kernel below the cache, where it outlives the bundle's folder. Its name is made of
// digests that were verified: nobody's file can stand in another's place.
Result<fs::path> keep_kernel(const Kept& kept, const fs::path& cache) {
  const fs::path from = kept.folder();
  std::error_code error;
  std::string digests = KTRIAL_TRY(kernel::sha256_file(from / "kernel"));
  const bool has_config = fs::exists(from / "config", error);
  if (has_config) digests += KTRIAL_TRY(kernel::sha256_file(from / "config"));
  const fs::path entry = cache / "bundles" / kernel::sha256(digests).substr(0, 32);
  fs::create_directories(entry.parent_path(), error);
  if (error) return fail_errno("create " + entry.parent_path().string(), error.value());
  const auto lock = KTRIAL_TRY(kernel::FileLock::acquire(entry.string() + ".lock", {}));
  if (!fs::exists(entry / "kernel", error))
    KTRIAL_TRY(kernel::make_entry(entry, [&](const fs::path& folder) -> Status {
      KTRIAL_TRY(replace_with_copy(from / "kernel", folder / "kernel"));
      if (has_config) KTRIAL_TRY(replace_with_copy(from / "config", folder / "config"));
      return {};
    }));
  kernel::mark_used(entry);
  return entry / "kernel";
}

// Of a stranger's reference, only a package by its name may be looked for.
Result<std::string> strange_reference(const Kept& kept) {
  const std::string& text = kept.manifest->kernel.reference;
  const auto reference = kernel::parse_reference(text);
  if (reference && std::holds_alternative<kernel::DebPackageReference>(*reference)) return text;
  return usage_error("the bundle holds no kernel, and what it calls it (" + spec::in_quotes(text) +
                         ") is not known here",
                     fmt::format("name one: --kernel K; it was {}, SHA-256 {}",
                                 spec::in_quotes(kept.manifest->kernel.release),
                                 spec::in_quotes(kept.manifest->kernel.sha256.substr(0, 64))));
}

Result<std::string> kernel_of(const Kept& kept, const std::string& asked, const Choices& choices,
                              std::vector<std::string>& notes) {
  if (!choices.kernel.empty()) {
    notes.push_back("kernel: as asked, not the kept one");
    return choices.kernel;
  }
  if (kept.is_bundle()) {
    if (kept.manifest->kernel.included)
      return KTRIAL_TRY(keep_kernel(kept, choices.cache)).string();
    return strange_reference(kept);
  }
  // The file that ran, if it is still that: a branch or a package's name may mean another by now.
  const std::string image = fact(kept.run.facts, "kernel.image");
  const auto digest = kernel::sha256_file(image);
  if (digest && *digest == fact(kept.run.facts, "kernel.sha256")) return image;
  notes.push_back("kernel: its file is gone or was changed; what " + asked + " means today is run");
  return asked;
}

// Its channel's modules are within the initramfs.
spec::ChannelKind channel_of(const results::TrialRecord& trial) {
  auto channel = spec::parse_channel(trial.channel);
  return channel ? *channel : spec::ChannelKind::automatic;
}

}  // namespace

run::Job public_job(const results::RunRecord& run, const std::string& reference) {
  const auto kept = kept_job(run.directory);
  run::Job out{.spec = guest_part(kept ? kept->spec : spec_of(run.spec))};
  out.spec.kernel = reference;
  if (!out.spec.command.empty())
    out.spec.command.front() = program_of(run, out.spec.command.front());
  out.results = "results";  // a job has one; nobody uses it
  return out;
}

Result<ReplayJob> replay_job(const Kept& kept, const results::TrialRecord& trial,
                             const Choices& choices) {
  ReplayJob out;
  run::Job& job = out.job;
  run::Job asked;
  if (kept.is_bundle()) {
    asked = KTRIAL_TRY(run::load_job(kept.folder() / "job.json"));
  } else if (auto own = kept_job(kept.folder())) {
    asked = *std::move(own);
  } else {
    asked.spec = spec_of(kept.run.spec);
    asked.working_dir = kept.run.working_dir;
    out.notes.push_back("the run has no job.json: what was asked for is read from its record");
  }
  job.spec = guest_part(asked.spec);
  if (!kept.is_bundle()) job.build = asked.build;
  job.spec.kernel = KTRIAL_TRY(kernel_of(kept, asked.spec.kernel, choices, out.notes));
  if (choices.accel != spec::Accel::automatic) job.spec.accel = choices.accel;
  job.spec.repeat = choices.repeat;

  std::error_code error;
  const fs::path initramfs = kept.folder() / "initramfs.cpio";
  if (fs::exists(initramfs, error)) {
    job.initramfs = initramfs;
    job.spec.channel = choices.channel.value_or(channel_of(trial));
    if (!job.spec.command.empty() && !kept.is_bundle())
      job.spec.command.front() = program_of(kept.run, job.spec.command.front());
  } else if (kept.is_bundle() && !job.spec.command.empty()) {
    return usage_error("the bundle holds no initramfs, and its command is no program of this host",
                       "ask for a bundle with its initramfs");
  } else {
    job.spec.channel = choices.channel.value_or(spec::ChannelKind::automatic);
    if (!job.spec.command.empty() && job.spec.command.front().contains('/'))
      job.spec.command.front() = (asked.working_dir / job.spec.command.front()).string();
    out.notes.push_back("initramfs: none was kept; it is packed anew");
  }
  KTRIAL_TRY(spec::validate(job.spec));
  KTRIAL_TRY(check_memory(job.spec));
  job.results = choices.results;
  job.cache = choices.cache;
  job.offline = choices.offline;
  job.argv = choices.argv;
  job.working_dir = fs::current_path(error);
  job.boots = asked.boots;
  return out;
}

Result<ReplayJob> job_of_run(const Kept& kept, const Choices& choices) {
  auto asked = kept.is_bundle() ? std::nullopt : kept_job(kept.folder());
  if (!asked)
    return usage_error(kept.name +
                           " is no run of this host with a job.json: its guest cannot be "
                           "packed anew",
                       "`ktrial replay` it first, and name that run");
  ReplayJob out{.job = *std::move(asked), .notes = {}};
  run::Job& job = out.job;
  job.spec.kernel = KTRIAL_TRY(kernel_of(kept, job.spec.kernel, choices, out.notes));
  // The guest is packed anew: its modules are built for a package, not for an image alone.
  if (std::string package = package_of(kept.run); choices.kernel.empty() && !package.empty())
    job.spec.kernel = std::move(package);
  job.initramfs.reset();
  job.results = choices.results;
  job.cache = choices.cache;
  job.offline = choices.offline;
  job.argv = choices.argv;
  job.campaign.clear();
  job.cell.clear();
  job.boots = 1;
  return out;
}

}  // namespace ktrial::bundle
