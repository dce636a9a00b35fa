#include "workloads/sched-storm/deeds.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "workloads/common/clock.h"
#include "workloads/common/say.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {
namespace {

// struct sched_attr of sched_setattr(2), in its second size (with clamps).
struct Attributes {
  std::uint32_t size = 56, policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
  std::uint32_t least = 0, most = 0;  // utilisation
};
constexpr std::uint64_t kKeepAll = 0x08 | 0x10, kClampLeast = 0x20, kClampMost = 0x40;
constexpr std::uint32_t kDeadline = 6;  // SCHED_DEADLINE
constexpr std::uint32_t kFull = 1024;   // SCHED_CAPACITY_SCALE

bool set(const Attributes& wanted) { return syscall(SYS_sched_setattr, 0, &wanted, 0) == 0; }

Attributes attributes() {
  Attributes now;
  if (syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) != 0)
    broken("sched_getattr: %s", std::strerror(errno));
  return now;
}

void spin_up_to(Actor& actor, std::uint64_t ns) {
  spin_until(now_ns() + static_cast<std::int64_t>(actor.below(ns)));
}

// What was set is what is read.
void policy(Actor& actor) {
  constexpr std::uint32_t kPolicies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO,
                                         SCHED_RR};
  for (int i = 0; i < 4; ++i) {
    Attributes wanted;
    wanted.policy = kPolicies[actor.below(std::size(kPolicies))];
    const bool real_time = wanted.policy == SCHED_FIFO || wanted.policy == SCHED_RR;
    const bool fair = wanted.policy == SCHED_OTHER || wanted.policy == SCHED_BATCH;
    if (real_time)
      wanted.priority = 1 + static_cast<std::uint32_t>(actor.below(50));
    else if (fair)  // SCHED_IDLE has none
      wanted.nice = static_cast<std::int32_t>(actor.below(40)) - 20;
    if (!set(wanted)) {
      ++actor.tempest->refused;
      continue;
    }
    const Attributes got = attributes();
    if (got.policy != wanted.policy || got.priority != wanted.priority ||
        (fair && got.nice != wanted.nice))
      broken("policy: set was policy %u priority %u nice %d, read is %u %u %d", wanted.policy,
             wanted.priority, wanted.nice, got.policy, got.priority, got.nice);
    spin_up_to(actor, 500'000);
  }
  if (!set({})) broken("policy: SCHED_OTHER is refused: %s", std::strerror(errno));
}

void nice_values(Actor& actor) {
  const int wanted = static_cast<int>(actor.below(40)) - 20;
  if (setpriority(PRIO_PROCESS, 0, wanted) != 0) {
    ++actor.tempest->refused;
    return;
  }
  if (const int got = getpriority(PRIO_PROCESS, 0); got != wanted)
    broken("nice: set was %d, read is %d", wanted, got);
  spin_up_to(actor, 300'000);
  setpriority(PRIO_PROCESS, 0, 0);
}

// A tenth of a CPU; refused where the CPUs that are online have no more to give. Beside CPU hotplug
// some of them never run again, on kernels from 6.1 to 7.3: they stay throttled.
void deadlines(Actor& actor) {
  Attributes wanted;
  wanted.policy = kDeadline;
  wanted.runtime = 1'000'000;
  wanted.deadline = wanted.period = 10'000'000;
  if (!set(wanted)) {
    ++actor.tempest->refused;
    return;
  }
  for (int i = 0; i < 3; ++i) {
    spin_up_to(actor, 2'000'000);  // more than it has: it is throttled
    sched_yield();                 // until its next period
  }
  if (!set({})) broken("deadlines: SCHED_OTHER is refused: %s", std::strerror(errno));
}

void clamps(Actor& actor) {
  Attributes wanted;
  wanted.flags = kKeepAll | kClampLeast | kClampMost;
  wanted.least = static_cast<std::uint32_t>(actor.below(kFull));
  wanted.most = wanted.least + static_cast<std::uint32_t>(actor.below(kFull + 1 - wanted.least));
  if (!set(wanted)) {
    ++actor.tempest->refused;  // without CONFIG_UCLAMP_TASK
    return;
  }
  const Attributes got = attributes();
  if (got.least != wanted.least || got.most != wanted.most)
    broken("clamps: set was %u to %u, read is %u to %u", wanted.least, wanted.most, got.least,
           got.most);
  spin_up_to(actor, 300'000);
}

// A CPU that goes away takes the choice with it: then the kernel's own mask says so. Who gives the
// choice back may be a vCPU that its host holds up before it moves us; so only time in which all
// CPUs run counts. We do not sleep: a thread that wakes is placed anew.
void check_place(const Actor& actor, const cpu_set_t& wanted) {
  constexpr double kPatience = 0.2;  // seconds
  const Metronome& clock = *actor.tempest->clock;
  const double begun = clock.seconds();
  for (;;) {
    const int cpu = sched_getcpu();
    cpu_set_t now;
    if (CPU_ISSET(cpu, &wanted) || sched_getaffinity(0, sizeof now, &now) != 0) return;
    for (int other = 0; other < CPU_SETSIZE; ++other)
      if (CPU_ISSET(other, &now) && !CPU_ISSET(other, &wanted)) return;
    if (clock.seconds() - begun > kPatience)
      broken("affinity: a thread runs on CPU %d, where it must not", cpu);
  }
}

void affinity(Actor& actor) {
  const auto& cpus = actor.tempest->cpus;
  for (int i = 0; i < 8; ++i) {
    cpu_set_t some;
    CPU_ZERO(&some);
    CPU_SET(cpus[actor.below(cpus.size())], &some);
    if (actor.below(2) == 0) CPU_SET(cpus[actor.below(cpus.size())], &some);
    if (sched_setaffinity(0, sizeof some, &some) == 0) check_place(actor, some);
    sched_yield();
  }
  cpu_set_t all;
  CPU_ZERO(&all);
  for (const int cpu : cpus) CPU_SET(cpu, &all);
  sched_setaffinity(0, sizeof all, &all);
}

void alter(Actor& actor, const std::string& group) {
  const std::string quota = actor.below(3) == 0
                                ? "max 100000"
                                : say("%d 10000", 1000 + static_cast<int>(actor.below(9000)));
  for (const auto& [file, value] :
       {std::pair<const char*, std::string>{"cpu.weight",
                                            say("%d", 1 + static_cast<int>(actor.below(10000)))},
        {"cpu.max", quota},
        {"cpu.uclamp.min", say("%d", static_cast<int>(actor.below(100)))}})
    write_file(group + "/" + file, value);
}

// A child joins a group, whose share and quota change while it runs and is throttled.
void groups(Actor& actor) {
  const std::string group = actor.tempest->group + say("/%d", actor.number);
  if (mkdir(group.c_str(), 0700) != 0) {
    ++actor.tempest->refused;
    return;
  }
  alter(actor, group);
  in_child(
      actor, "groups",
      [&] {
        if (write_file(group + "/cgroup.procs", "0") != 0) return kCannotRun;
        spin_until(now_ns() + 3'000'000);
        return 0;
      },
      [&](pid_t) {
        for (int i = 0; i < 4; ++i) {
          sleep_us(1000);
          alter(actor, group);
        }
      });
  rmdir(group.c_str());
}

constexpr char kSchedstats[] = "/proc/sys/kernel/sched_schedstats";
std::string schedstats_before;

// A static key: the kernel patches its code, and interrupts all CPUs for it.
void poke(Actor& actor) {
  if (write_file(kSchedstats, actor.below(2) == 0 ? "0" : "1") != 0) ++actor.tempest->refused;
}

}  // namespace

void note_schedstats() { schedstats_before = read_file(kSchedstats).value_or(""); }
void restore_schedstats() {
  if (!schedstats_before.empty()) write_file(kSchedstats, schedstats_before);
}

std::vector<Deed> sched_deeds() {
  return {{"policy", policy},        {"nice", nice_values},  {"deadlines", deadlines, false},
          {"clamps", clamps},        {"affinity", affinity}, {"groups", groups},
          {"chains", chain_mutexes}, {"wakeups", ping_pong}, {"timers", timers},
          {"poke", poke, false}};
}

}  // namespace ktrial::workload
