#include "workloads/rcu-storm/actors.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/say.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"
#include "workloads/rcu-storm/checks.h"

namespace ktrial::workload {
namespace {

constexpr std::size_t kPage = 4096;

long membarrier(int command) { return ::syscall(SYS_membarrier, command, 0, 0); }

// MEMBARRIER_CMD_GLOBAL is a synchronize_rcu() that user space may call.
void wait_for_grace_period(Tempest& tempest) {
  const double begun = tempest.clock->seconds();
  if (membarrier(MEMBARRIER_CMD_GLOBAL) != 0) {
    ++tempest.refused;  // not with nohz_full
    return;
  }
  const double took = tempest.clock->seconds() - begun;
  if (const std::string why = too_late(took, tempest.limit_s); !why.empty())
    broken("%s", why.c_str());
  const auto us = static_cast<std::int64_t>(took * 1e6);
  for (std::int64_t longest = tempest.longest_us.load();
       us > longest && !tempest.longest_us.compare_exchange_weak(longest, us);) {
  }
  ++tempest.grace_periods;
}

void fences(Actor& actor) {
  constexpr std::array kExpedited = {MEMBARRIER_CMD_PRIVATE_EXPEDITED,
                                     MEMBARRIER_CMD_GLOBAL_EXPEDITED,
                                     MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE};
  for (int i = 0; i < 8; ++i) membarrier(kExpedited[actor.random() % kExpedited.size()]);
  wait_for_grace_period(*actor.tempest);
}

// A closed file is freed by a callback; so is a name that was looked up.
void files(Actor& actor) {
  const std::string name = actor.tempest->folder + say("/file-%d", actor.number);
  for (int i = 0; i < 32; ++i) {
    const int file = open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    int pipes[2], sockets[2];
    if (pipe2(pipes, O_CLOEXEC) == 0) {
      close(pipes[0]);
      close(pipes[1]);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0) {
      close(sockets[0]);
      close(sockets[1]);
    }
    if (file >= 0) close(file);
    unlink(name.c_str());
    struct stat info{};
    stat(name.c_str(), &info);  // a negative entry
  }
}

void mounts(Actor& actor) {
  // Threads share their root and working directory, which a namespace of one's own does not allow.
  if (!actor.own_mounts)
    actor.own_mounts = unshare(CLONE_FS | CLONE_NEWNS) == 0 &&
                       mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  const std::string place = actor.tempest->folder + say("/mount-%d", actor.number);
  mkdir(place.c_str(), 0700);
  for (int i = 0; i < 4 && actor.own_mounts; ++i) {
    if (mount("storm", place.c_str(), "tmpfs", 0, "size=64k") != 0) {
      ++actor.tempest->refused;
      return;
    }
    umount2(place.c_str(), actor.random() % 2 == 0 ? 0 : MNT_DETACH);
  }
}

// Its end is the work of a kernel thread; so one at a time, and a grace period after it.
void netns(Actor& actor) {
  static std::mutex one;
  const std::unique_lock lock(one, std::try_to_lock);
  if (!lock.owns_lock()) return;
  if (unshare(CLONE_NEWNET) != 0) ++actor.tempest->refused;
  wait_for_grace_period(*actor.tempest);
}

void cgroups(Actor& actor) {
  const std::string group = actor.tempest->folder + say("/cgroup/storm/%d", actor.number);
  const std::string members = group + "/cgroup.procs";
  for (int i = 0; i < 4; ++i) {
    if (mkdir(group.c_str(), 0700) != 0) {
      ++actor.tempest->refused;
      return;
    }
    const pid_t child = fork();
    if (child == 0) _exit(write_file(members, "0") == 0 ? 0 : 1);
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) ++actor.tempest->refused;
    rmdir(group.c_str());
  }
}

void mappings(Actor& actor) {
  const std::size_t size = (1 + actor.random() % 256) * kPage;
  for (int i = 0; i < 8; ++i) {
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return;
    for (std::size_t offset = 0; offset < size; offset += kPage)
      static_cast<volatile char*>(at)[offset] = 1;
    madvise(at, size, MADV_DONTNEED);
    void* moved = mremap(at, size, 2 * size, MREMAP_MAYMOVE);
    munmap(moved == MAP_FAILED ? at : moved, moved == MAP_FAILED ? size : 2 * size);
  }
}

void affinity(Actor& actor) {
  const auto& cpus = actor.tempest->cpus;
  pin_to_cpu(cpus[actor.random() % cpus.size()]);  // one that is offline is refused
  sched_yield();
  cpu_set_t all;
  CPU_ZERO(&all);
  for (const int cpu : cpus) CPU_SET(cpu, &all);
  sched_setaffinity(0, sizeof all, &all);
}

// Throttling gives the others their share after 950 ms of each second.
void fifo(Actor& actor) {
  const sched_param real_time{.sched_priority = 1}, none{};
  if (sched_setscheduler(0, SCHED_FIFO, &real_time) != 0) ++actor.tempest->refused;
  spin_until(now_ns() + static_cast<std::int64_t>(actor.random() % 5'000'000));
  sched_setscheduler(0, SCHED_OTHER, &none);
}

// Whoever finds another at it does without.
void memory(Actor&) {
  static std::mutex one;
  const std::unique_lock lock(one, std::try_to_lock);
  const auto info = read_file("/proc/meminfo");
  if (!lock.owns_lock() || !info) return;
  const std::size_t at = info->find("MemAvailable:");
  if (at == std::string::npos) return;
  const std::size_t size = std::strtoull(info->c_str() + at + 13, nullptr, 10) * 1024 / 8;
  void* taken = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (taken != MAP_FAILED) munmap(taken, size);
}

void act(Actor& actor, Deed deed) {
  switch (deed) {
    case Deed::membarrier:
      return fences(actor);
    case Deed::files:
      return files(actor);
    case Deed::mounts:
      return mounts(actor);
    case Deed::netns:
      return netns(actor);
    case Deed::cgroups:
      return cgroups(actor);
    case Deed::mappings:
      return mappings(actor);
    case Deed::affinity:
      return affinity(actor);
    case Deed::fifo:
      return fifo(actor);
    case Deed::memory:
      return memory(actor);
  }
}

}  // namespace

void* storm(void* argument) {
  Actor& actor = *static_cast<Actor*>(argument);
  Tempest& tempest = *actor.tempest;
  for (const int command :
       {MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE})
    membarrier(command);
  while (now_ns() < tempest.end_ns) {
    act(actor, tempest.deeds[actor.random() % tempest.deeds.size()]);
    ++tempest.turns;
  }
  return nullptr;
}

}  // namespace ktrial::workload
