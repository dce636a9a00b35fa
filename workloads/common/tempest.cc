#include "workloads/common/tempest.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>

#include "workloads/common/census.h"
#include "workloads/common/clock.h"
#include "workloads/common/hotplug.h"
#include "workloads/common/observers.h"
#include "workloads/common/progress.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {
namespace {

constexpr double kReturn = 60;             // seconds until all is back: the metronome's
constexpr std::int64_t kGracePeriods = 3;  // of limit_s that a deed may take: some wait for several

void read_arguments(int argc, char** argv, Tempest& t) {
  std::vector<Parameter> list = {{"threads", Integer{&t.threads, 0, 256}}};
  for (Deed& deed : t.deeds) list.push_back({deed.name, Boolean{&deed.wanted}});
  list.insert(list.end(), t.own.begin(), t.own.end());
  std::vector<std::string> plants = {"none", "late",  "mounts",  "groups", "dying",
                                     "cpus", "files", "mlocked", "shmem"};
  plants.insert(plants.end(), t.plants.begin(), t.plants.end());
  list.insert(list.end(), {{"observers", Boolean{&t.observers}},
                           {"hotplug_ms", Integer{&t.hotplug_ms, -1, 60000}},
                           {"limit_s", Integer{&t.limit_s, 1, 600}},
                           {"seed", Integer{&t.seed, 0, 1000000000}},
                           {"plant", Choice{&t.plant, plants}}});
  const double duration_s = parse_arguments(argc, argv, list);
  if (duration_s > 0) t.duration_s = duration_s;
  std::erase_if(t.deeds, [](const Deed& deed) { return !deed.wanted; });
  if (t.deeds.empty()) cannot_run("everything is switched off");
}

// A folder on a tmpfs of ours, and a control group of ours in it if the kernel has them; seen by
// nobody else.
void make_place(Tempest& t) {
  if (unshare(CLONE_NEWNS) == 0) mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  t.folder = std::string("/tmp/") + t.name;
  mkdir("/tmp", 0777);
  mkdir(t.folder.c_str(), 0700);
  if (mount(t.name, t.folder.c_str(), "tmpfs", 0, t.room) != 0)
    cannot_run("mount a tmpfs on %s: %s", t.folder.c_str(), std::strerror(errno));
  const std::string groups = t.folder + "/cgroup";
  mkdir(groups.c_str(), 0700);
  t.group = groups + "/" + t.name;
  if (mount(t.name, groups.c_str(), "cgroup2", 0, nullptr) != 0) return;
  mkdir(t.group.c_str(), 0700);
  for (const char* controller : {"+cpu", "+cpuset"})  // what this kernel has of them
    for (const std::string& at : {groups, t.group})
      write_file(at + "/cgroup.subtree_control", controller);
}

void remove_place(const Tempest& t) {
  rmdir(t.group.c_str());
  umount2((t.folder + "/cgroup").c_str(), 0);
  umount2(t.folder.c_str(), 0);
}

Census planted(Census census, const std::string& plant) {
  if (plant == "mounts") ++census.mounts;
  if (plant == "groups") ++census.groups;
  if (plant == "dying") ++census.dying;
  if (plant == "cpus") --census.cpus;
  if (plant == "files") census.files += 1'000'000;
  if (plant == "mlocked") census.mlocked += 1'000'000;
  if (plant == "shmem") census.shmem += 1'000'000;
  return census;
}

// Callbacks and kernel threads do the rest after us; a storm leaves them some seconds' work.
void await_return(const Tempest& t, const Census& before, Progress& progress) {
  const double begun = t.clock->seconds(), patience = t.plant == "none" ? kReturn : 1;
  for (;;) {
    const std::string left =
        difference(before, planted(take_census(t.group), t.plant), Slack::of(t.cpus.size()));
    if (left.empty()) return;
    if (t.clock->seconds() - begun > patience) broken("%s", left.c_str());
    progress.report(t.done, 0);
    sleep_us(250'000);
  }
}

void* play(void* argument) {
  Actor& actor = *static_cast<Actor*>(argument);
  Tempest& t = *actor.tempest;
  if (t.prepare != nullptr) t.prepare(actor);
  while (now_ns() < t.end_ns) {
    const Deed& deed = t.deeds[actor.below(t.deeds.size())];
    const double begun = t.clock->seconds();
    actor.since = begun;
    actor.doing = deed.name;
    deed.act(actor);
    actor.doing = nullptr;
    raise_to(t.longest_turn_us,
             static_cast<std::uint64_t>((t.clock->seconds() - begun) * 1'000'000));
    ++t.turns;
    if (std::strcmp(t.unit, "turns") == 0) ++t.done;
  }
  return nullptr;
}

// Nobody else sees a deed that never ends: its thread says nothing, and the others go on.
void check(const Actor& actor) {
  const char* doing = actor.doing;
  if (doing == nullptr) return;
  const Tempest& t = *actor.tempest;
  const std::string why =
      too_late(doing, t.clock->seconds() - actor.since, t.limit_s * kGracePeriods);
  if (!why.empty() && actor.doing == doing) broken("%s", why.c_str());
}

bool all_are_done(const std::deque<Actor>& actors) {
  return std::all_of(actors.begin(), actors.end(),
                     [](const Actor& actor) { return actor.doing == nullptr; });
}

// As long as the clock goes, a deed that does not end is for check(); when it stands, a CPU is
// held, and without a turn there is nothing to tell: the host judges that.
void watch(Tempest& t, const std::deque<Actor>& actors, Progress& progress) {
  for (std::uint64_t seen = 0; now_ns() < t.end_ns || !all_are_done(actors);) {
    for (const Actor& actor : actors) check(actor);
    if (const std::uint64_t signs = t.turns + t.clock->rounds(); signs != seen) {
      progress.tick(t.done, 0);
      seen = signs;
    }
    sleep_us(50'000);
  }
}

void run_actors(Tempest& t, Progress& progress) {
  const std::size_t count = t.threads > 0
                                ? static_cast<std::size_t>(t.threads)
                                : static_cast<std::size_t>(t.threads_per_cpu) * t.cpus.size();
  std::deque<Actor> actors;
  for (std::size_t i = 0; i < count; ++i) {
    Actor& actor = actors.emplace_back();
    actor.tempest = &t;
    actor.number = static_cast<int>(i);
    actor.random.seed(static_cast<std::uint64_t>(t.seed) * 1000 + i);
  }
  for (Actor& actor : actors) actor.thread = start_thread(play, &actor);
  watch(t, actors, progress);
  for (const Actor& actor : actors) pthread_join(actor.thread, nullptr);
}

void tell_common(const Tempest& t, const Hotplug& hotplug, std::int64_t begun, Progress& progress) {
  progress.tell("turns_per_minute", [&t, begun] { return per_minute(t.turns, begun); });
  progress.tell("longest_turn_us", [&t] { return t.longest_turn_us.load(); });
  progress.tell("refused", [&t] { return t.refused.load(); });
  progress.tell("cpus_cycled", [&hotplug] { return hotplug.cycles(); });
}

void judge(const Tempest& t) {
  const double longest = static_cast<double>(t.longest_turn_us) / 1e6;
  const auto limit = t.limit_s * kGracePeriods;
  if (t.plant == "late")
    broken("%s", too_late("a deed", longest + static_cast<double>(limit) + 1, limit).c_str());
  if (!t.judge) return;
  if (const std::string why = t.judge(t); !why.empty()) broken("%s", why.c_str());
}

}  // namespace

std::uint64_t per_minute(std::uint64_t events, std::int64_t begun_ns) {
  const double seconds = static_cast<double>(now_ns() - begun_ns) / 1e9;
  return seconds > 0 ? static_cast<std::uint64_t>(static_cast<double>(events) * 60 / seconds) : 0;
}

bool owns_mounts(Actor& actor) {
  // Threads share their root and working directory, which a namespace of one's own does not allow.
  if (!actor.own_mounts)
    actor.own_mounts = unshare(CLONE_FS | CLONE_NEWNS) == 0 &&
                       mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!actor.own_mounts) ++actor.tempest->refused;
  return actor.own_mounts;
}

void in_child(Actor& actor, const char* deed, const std::function<int()>& body,
              const std::function<void(pid_t)>& beside) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  if (child < 0) {
    ++actor.tempest->refused;
    return;
  }
  if (beside) beside(child);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotRun)
    ++actor.tempest->refused;
  else if (status != 0)
    broken("%s: its child ended with wait status %#x", deed, status);
}

int run_tempest(int argc, char** argv, Tempest& t) {
  read_arguments(argc, argv, t);
  require_trial_guest();
  Progress progress(t.unit);
  progress.report(0, 0);
  make_place(t);
  t.cpus = allowed_cpus();
  const Metronome clock(t.cpus);
  t.clock = &clock;
  std::optional<Observers> observers;
  if (t.observers) observers.emplace(t.cpus);
  const Census before = take_census(t.group);
  const std::int64_t begun = now_ns();
  t.end_ns = Deadline(t.duration_s).end_ns();
  Hotplug hotplug(t.hotplug_ms, static_cast<std::uint64_t>(t.seed));
  if (t.tell) t.tell(progress);
  tell_common(t, hotplug, begun, progress);
  if (observers) observers->tell(progress);
  run_actors(t, progress);
  hotplug.stop();
  progress.report(t.done, 0);  // the rates are those of the storm alone
  const std::string told = progress.told();
  judge(t);
  await_return(t, before, progress);
  remove_place(t);
  std::printf("%s: %llu %s; %s\n", t.name, static_cast<unsigned long long>(t.done.load()), t.unit,
              told.c_str());
  return kHealthy;
}

}  // namespace ktrial::workload
