#include "harness/engine/slurm/commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/base/host_cpus.h"
#include "harness/base/text.h"
#include "harness/spec/timeouts.h"

namespace ktrial::engine::slurm {
namespace {

constexpr int kOwnMib = 256;                    // of ktrial itself, and its helpers
constexpr double kPrepareMin = 15;              // to fetch a kernel, to pack an initramfs
constexpr double kBuildMin = 180;               // a kernel of git's
constexpr double kDurationS = 10, kBootS = 15;  // guesses
constexpr int kBuildMib = 3072;
constexpr int kAccountsRest = 20;  // calls that are left out

bool is_git(const run::Job& job) { return job.spec.kernel.starts_with("git:"); }

// 15, 30, 60, ...: jobs that take about as long share an array.
int rounded(double minutes) {
  int out = 15;
  while (out < minutes) out *= 2;
  return out;
}

// Where a node sees nothing of the shard, what a task says lies there.
std::string output_of(const std::filesystem::path& shard, const spec::Courier& courier) {
  if (!courier.used()) return (shard / "%a.out").string();
  return (std::filesystem::path(courier.scratch) / "ktrial-%A_%a.out").string();
}

constexpr const char* kWaiting[] = {"PENDING",      "REQUEUED",     "REQUEUE_FED",
                                    "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"};
constexpr const char* kRunning[] = {"RUNNING", "CONFIGURING", "COMPLETING", "STAGE_OUT",
                                    "STOPPED", "RESIZING",    "SUSPENDED",  "SIGNALING"};

Sight::State state_of(std::string_view word) {
  if (std::ranges::find(kWaiting, word) != std::end(kWaiting)) return Sight::State::waiting;
  if (std::ranges::find(kRunning, word) != std::end(kRunning)) return Sight::State::running;
  return Sight::State::over;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  auto out = fields(line, '|');
  for (std::string_view& field : out) field = trimmed(field);
  return out;
}

Result<std::string> asked(const std::vector<std::string>& words) {
  if (!find_program(words.front()))
    return fail(ErrorKind::environment, words.front() + " is not installed",
                "install Slurm's client programs (apt install slurm-client), or run ktrial on a "
                "host that submits jobs");
  const auto out =
      KTRIAL_TRY(run_command(words, {.timeout = spec::host_wait(spec::HostWait::scheduler_call)}));
  if (out.ok()) return out.out;
  const std::string said = last_line(out.err);
  return fail(
      ErrorKind::environment,
      words.front() + ": " + (said.empty() ? fmt::format("exit {}", out.exit_status) : said));
}

class SlurmCluster final : public Cluster {
 public:
  SlurmCluster(spec::Slurm config, std::string name, std::filesystem::path folder)
      : config_(std::move(config)), name_(std::move(name)), folder_(std::move(folder)) {}

  Result<std::string> submit(const Array& array) override {
    return parse_sbatch(KTRIAL_TRY(asked(sbatch_words(array, config_, name_, folder_))));
  }

  Result<std::map<std::string, std::vector<Sight>>> poll(const std::vector<std::string>&) override {
    std::map<std::string, std::vector<Sight>> out;
    for (Row& row : KTRIAL_TRY(parse_squeue(KTRIAL_TRY(asked(squeue_words(name_))))))
      out[row.array].push_back(std::move(row.sight));
    return out;
  }

  // squeue forgets what is over after some minutes, task by task; the accounts do not.
  std::map<std::string, std::vector<Sight>> recall() override {
    std::map<std::string, std::vector<Sight>> out;
    if (accounts_rest_-- > 0) return out;
    const auto text = asked(sacct_words(name_));
    accounts_rest_ = text ? 0 : kAccountsRest;
    if (!text) return out;
    // What is forgotten runs no more: an account that says so was not brought up to date.
    for (Row& row : parse_sacct(*text))
      if (row.sight.state == Sight::State::over) out[row.array].push_back(std::move(row.sight));
    return out;
  }

  Status cancel(const std::vector<std::string>& ids, bool waiting_only) override {
    std::vector<std::string> words{"scancel"};
    if (waiting_only) words.push_back("--state=PENDING");
    words.insert(words.end(), ids.begin(), ids.end());
    KTRIAL_TRY(asked(words));
    return {};
  }

  Status avoid(const std::vector<std::string>& arrays,
               const std::vector<std::string>& nodes) override {
    if (arrays.empty()) return {};
    KTRIAL_TRY(asked({"scontrol", "update", fmt::format("JobId={}", fmt::join(arrays, ",")),
                      fmt::format("ExcNodeList={}", fmt::join(nodes, ","))}));
    return {};
  }

  Result<std::vector<std::string>> arrays_of(const Shard& shard) override {
    std::vector<std::string> out;
    for (const Row& row : KTRIAL_TRY(parse_squeue(KTRIAL_TRY(asked(squeue_words(name_))))))
      if (row.shard == shard && std::ranges::find(out, row.array) == out.end())
        out.push_back(row.array);
    return out;
  }

 private:
  const spec::Slurm config_;
  const std::string name_;
  const std::filesystem::path folder_;
  int accounts_rest_ = 0;  // calls: there are none, or they do not answer now
};

}  // namespace

double expected_s(const run::Job& job) {
  const double duration =
      job.spec.duration ? static_cast<double>(job.spec.duration->count()) / 1000 : kDurationS;
  return (duration + kBootS) * job.spec.repeat;
}

Ask ask_of(const run::Job& job, const spec::Slurm& config) {
  const Need need = need_of(job);
  Ask out{.vcpus = std::max(1, need.vcpus),
          .memory_mib = need.memory_mib + kOwnMib,
          .constraint = config.constraint};
  if (job.kernel_only) {
    out.vcpus = static_cast<int>(std::max(1u, job.build.jobs));
    out.memory_mib = kBuildMib;
  }
  // A template lies in memory beside its copies.
  if (!job.kernel_only && job.spec.start != spec::Start::cold)
    out.memory_mib += job.spec.memory_mib;
  if (job.spec.accel == spec::Accel::kvm && !config.kvm.empty())
    out.constraint = out.constraint.empty() ? config.kvm : out.constraint + "&" + config.kvm;
  const bool endless = job.spec.until_fail && job.spec.repeat == 1;
  if (endless) return out;
  const auto timeouts = spec::make_timeouts(1, spec::profile_tcg());
  const auto trial = job.spec.timeout.value_or(
      timeouts.whole_trial(job.spec.duration.value_or(timeouts.duration_default)));
  const double trial_min = static_cast<double>(trial.count()) / 1000 / 60;
  // A lost boot is tried once more; what failed may be confirmed.
  const double trials = 2.0 * (job.spec.repeat + job.spec.confirm_cold);
  out.minutes = rounded(trial_min * trials + kPrepareMin + (is_git(job) ? kBuildMin : 0));
  return out;
}

std::vector<std::string> sbatch_words(const Array& array, const spec::Slurm& config,
                                      const std::string& name,
                                      const std::filesystem::path& folder) {
  const auto shard = folder / array.shard;
  std::vector<std::string> out{"sbatch",
                               "--parsable",
                               fmt::format("--array=0-{}", array.tasks - 1),
                               "--job-name=" + name,
                               "--comment=" + array.shard,
                               "--output=" + output_of(shard, config.courier),
                               "--open-mode=append",
                               "--no-requeue",
                               "--ntasks=1",
                               fmt::format("--cpus-per-task={}", array.ask.vcpus),
                               fmt::format("--mem={}M", array.ask.memory_mib)};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) out.push_back(flag + value);
  };
  if (array.ask.minutes > 0) add("--time=", std::to_string(array.ask.minutes));
  add("--partition=", config.partition);
  add("--account=", config.account);
  add("--qos=", config.qos);
  add("--constraint=", array.ask.constraint);
  add("--exclude=", fmt::format("{}", fmt::join(array.avoid, ",")));
  out.insert(out.end(), config.sbatch.begin(), config.sbatch.end());
  out.push_back((shard / "task.sh").string());
  return out;
}

std::vector<std::string> squeue_words(const std::string& name) {
  return {"squeue",       "--noheader",     "--array",
          "--states=all", "--name=" + name, "--format=%F|%K|%T|%N|%k"};
}

std::vector<std::string> sacct_words(const std::string& name) {
  return {"sacct",
          "--noheader",
          "--parsable2",
          "--allocations",
          "--name=" + name,
          "--starttime=now-7days",
          "--format=JobID,State,NodeList"};
}

std::vector<std::string> sinfo_words(const spec::Slurm& config) {
  std::vector<std::string> out{"sinfo", "--noheader", "--Node", "--format=%N|%c|%m|%t"};
  if (!config.partition.empty()) out.push_back("--partition=" + config.partition);
  return out;
}

Result<std::string> parse_sbatch(std::string_view text) {
  const std::string_view id = trimmed(text.substr(0, text.find(';')));
  if (!to_number<std::uint64_t>(id))
    return fail(ErrorKind::environment, "sbatch said no job's id: " + last_line(text));
  return std::string(id);
}

Result<std::vector<Row>> parse_squeue(std::string_view text) {
  std::vector<Row> out;
  while (const auto line = take_line(text)) {
    if (trimmed(*line).empty()) continue;
    const auto fields = fields_of(*line);
    const auto index = fields.size() == 5 ? to_number<int>(fields[1]) : std::nullopt;
    if (!index)
      return fail(ErrorKind::environment, "squeue said what was not asked: " + std::string(*line));
    out.push_back({std::string(fields[0]),
                   std::string(fields[4]),
                   {.index = *index,
                    .state = state_of(fields[2]),
                    .word = std::string(fields[2]),
                    .node = std::string(fields[3])}});
  }
  return out;
}

std::vector<Row> parse_sacct(std::string_view text) {
  std::vector<Row> out;
  while (const auto line = take_line(text)) {
    const auto fields = fields_of(*line);
    if (fields.size() != 3) continue;
    const auto under = fields[0].find('_');
    if (under == fields[0].npos) continue;
    const auto index = to_number<int>(fields[0].substr(under + 1));
    if (!index) continue;  // "17_[3-9]": those wait
    // "CANCELLED by 1000"
    const std::string_view state = fields[1].substr(0, fields[1].find(' '));
    const std::string node = fields[2] == "None assigned" ? "" : std::string(fields[2]);
    out.push_back({std::string(fields[0].substr(0, under)),
                   "",
                   {.index = *index,
                    .state = state_of(state),
                    .word = std::string(fields[1]),
                    .node = node}});
  }
  return out;
}

Result<Room> parse_sinfo(std::string_view text) {
  Room room;
  std::set<std::string> nodes;
  while (const auto line = take_line(text)) {
    const auto fields = fields_of(*line);
    const auto cpus = fields.size() == 4 ? to_number<int>(fields[1]) : std::nullopt;
    const auto mib = cpus ? to_number<std::int64_t>(fields[2]) : std::nullopt;
    if (!mib)
      return fail(ErrorKind::environment, "sinfo said what was not asked: " + std::string(*line));
    const auto up = {"idle", "mix", "alloc", "comp", "resv", "plnd"};
    if (std::ranges::find(up, fields[3]) == up.end() ||
        !nodes.insert(std::string(fields[0])).second)
      continue;
    room.vcpus += *cpus;
    room.memory_mib += *mib;
  }
  return room;
}

Result<Room> room_of(const spec::Slurm& config) {
  const Room room = KTRIAL_TRY(parse_sinfo(KTRIAL_TRY(asked(sinfo_words(config)))));
  if (room.vcpus > 0) return room;
  return fail(
      ErrorKind::environment,
      "no node is up" + (config.partition.empty() ? "" : " in partition " + config.partition),
      "see `sinfo`; slurm.partition of the fleet file says which partition is meant");
}

std::unique_ptr<Cluster> slurm_cluster(const spec::Slurm& config, std::string name,
                                       std::filesystem::path folder) {
  return std::make_unique<SlurmCluster>(config, std::move(name), std::move(folder));
}

}  // namespace ktrial::engine::slurm
