// All that makes grace periods and callbacks from user space, mixed by a seed. Afterwards nothing
// may be left: mounts, control groups, CPUs and files are counted before and after.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/hotplug.h"
#include "workloads/common/progress.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"
#include "workloads/rcu-storm/actors.h"
#include "workloads/rcu-storm/checks.h"

using namespace ktrial::workload;

namespace {

constexpr char kFolder[] = "/tmp/rcu-storm";
constexpr double kReturn = 60;             // seconds until all is back: the metronome's
constexpr std::int64_t kFilesPerCpu = 64;  // percpu_counter_batch is 32 or twice the CPUs

struct Options {
  std::int64_t threads = 0, hotplug_ms = 200, limit_s = 20, seed = 1;
  std::string plant = "none";
  bool membarrier = true, files = true, mounts = true, netns = true, cgroups = true,
       mappings = true, affinity = true, fifo = true, memory = true;
  double duration_s = 20;

  std::vector<Deed> deeds() const {
    std::vector<Deed> out;
    for (const auto& [wanted, deed] : {std::pair(membarrier, Deed::membarrier),
                                       {files, Deed::files},
                                       {mounts, Deed::mounts},
                                       {netns, Deed::netns},
                                       {cgroups, Deed::cgroups},
                                       {mappings, Deed::mappings},
                                       {affinity, Deed::affinity},
                                       {fifo, Deed::fifo},
                                       {memory, Deed::memory}})
      if (wanted) out.push_back(deed);
    return out;
  }
};

Options options_of(int argc, char** argv) {
  Options o;
  const double duration_s = parse_arguments(
      argc, argv,
      {{"threads", Integer{&o.threads, 0, 256}},
       {"membarrier", Boolean{&o.membarrier}},
       {"files", Boolean{&o.files}},
       {"mounts", Boolean{&o.mounts}},
       {"netns", Boolean{&o.netns}},
       {"cgroups", Boolean{&o.cgroups}},
       {"mappings", Boolean{&o.mappings}},
       {"affinity", Boolean{&o.affinity}},
       {"fifo", Boolean{&o.fifo}},
       {"memory", Boolean{&o.memory}},
       {"hotplug_ms", Integer{&o.hotplug_ms, -1, 60000}},
       {"limit_s", Integer{&o.limit_s, 1, 600}},
       {"seed", Integer{&o.seed, 0, 2147483647}},
       {"plant",
        Choice{&o.plant, {"none", "late", "mounts", "groups", "dying", "cpus", "files"}}}});
  if (duration_s > 0) o.duration_s = duration_s;
  if (o.deeds().empty()) cannot_run("everything is switched off");
  return o;
}

// A folder on a tmpfs of ours, and a control group of ours in it if the kernel has them.
void make_place() {
  mkdir("/tmp", 0777);
  mkdir(kFolder, 0700);
  if (mount("rcu-storm", kFolder, "tmpfs", 0, "size=4m") != 0)
    cannot_run("mount a tmpfs on %s: %s", kFolder, std::strerror(errno));
  const std::string groups = std::string(kFolder) + "/cgroup";
  mkdir(groups.c_str(), 0700);
  if (mount("rcu-storm", groups.c_str(), "cgroup2", 0, nullptr) == 0)
    mkdir((groups + "/storm").c_str(), 0700);
}

void remove_place() {
  const std::string groups = std::string(kFolder) + "/cgroup";
  rmdir((groups + "/storm").c_str());
  umount2(groups.c_str(), 0);
  umount2(kFolder, 0);
}

Census take_census() {
  const std::string stat =
      read_file(std::string(kFolder) + "/cgroup/storm/cgroup.stat").value_or("");
  return {.mounts = count_lines(read_file("/proc/self/mountinfo").value_or("")),
          .groups = value_of(stat, "nr_descendants").value_or(0),
          .dying = value_of(stat, "nr_dying_descendants").value_or(0),
          .cpus = static_cast<std::int64_t>(online_cpus().size()),
          .files = first_number(read_file("/proc/sys/fs/file-nr").value_or("")).value_or(0)};
}

Census planted(Census census, const std::string& plant) {
  if (plant == "mounts") ++census.mounts;
  if (plant == "groups") ++census.groups;
  if (plant == "dying") ++census.dying;
  if (plant == "cpus") --census.cpus;
  if (plant == "files") census.files += 1'000'000;
  return census;
}

// Callbacks and kernel threads do the rest after us; a storm leaves them some seconds' work.
void await_return(const Census& before, const Options& options, std::int64_t slack,
                  const Metronome& clock, Progress& progress, std::uint64_t grace_periods) {
  const double begun = clock.seconds(), patience = options.plant == "none" ? kReturn : 1;
  for (;;) {
    const std::string left = difference(before, planted(take_census(), options.plant), slack);
    if (left.empty()) return;
    if (clock.seconds() - begun > patience) broken("%s", left.c_str());
    progress.report(grace_periods, 0);
    sleep_us(250'000);
  }
}

void run_actors(Tempest& tempest, const Options& options, Progress& progress) {
  const std::size_t count =
      options.threads > 0 ? static_cast<std::size_t>(options.threads) : 2 * tempest.cpus.size();
  std::deque<Actor> actors;
  for (std::size_t i = 0; i < count; ++i) {
    Actor& actor = actors.emplace_back();
    actor.tempest = &tempest;
    actor.number = static_cast<int>(i);
    actor.random.seed(static_cast<std::uint64_t>(options.seed) * 1000 + i);
    actor.thread = start_thread(storm, &actor);
  }
  while (now_ns() < tempest.end_ns) {
    progress.tick(tempest.grace_periods.load(), 0);
    sleep_us(50'000);
  }
  for (const Actor& actor : actors) pthread_join(actor.thread, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = options_of(argc, argv);
  require_trial_guest();
  Progress progress("grace periods");
  progress.report(0, 0);
  make_place();
  const std::vector<int> cpus = allowed_cpus();
  const Metronome clock(cpus);
  const Census before = take_census();
  Tempest tempest;
  tempest.deeds = options.deeds();
  tempest.cpus = cpus;
  tempest.folder = kFolder;
  tempest.limit_s = options.limit_s;
  tempest.clock = &clock;
  const std::int64_t begun = now_ns();
  tempest.end_ns = Deadline(options.duration_s).end_ns();
  std::uint64_t cycles = 0;
  {
    Hotplug hotplug(options.hotplug_ms, static_cast<std::uint64_t>(options.seed));
    run_actors(tempest, options, progress);
    hotplug.stop();
    cycles = hotplug.cycles();
  }
  const double seconds = static_cast<double>(now_ns() - begun) / 1e9;
  const double longest = static_cast<double>(tempest.longest_us.load()) / 1e6;
  if (options.plant == "late")
    broken("%s",
           too_late(longest + static_cast<double>(options.limit_s) + 1, options.limit_s).c_str());
  await_return(before, options, kFilesPerCpu * static_cast<std::int64_t>(cpus.size()), clock,
               progress, tempest.grace_periods.load());
  remove_place();
  std::printf(
      "%llu grace periods (%.1f a second, the longest took %.3f s), %llu turns, %llu refused, "
      "%llu CPUs went and came back\n",
      static_cast<unsigned long long>(tempest.grace_periods.load()),
      static_cast<double>(tempest.grace_periods.load()) / seconds, longest,
      static_cast<unsigned long long>(tempest.turns.load()),
      static_cast<unsigned long long>(tempest.refused.load()),
      static_cast<unsigned long long>(cycles));
  return kHealthy;
}
