#include "workloads/rcu-storm/deeds.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <mutex>

#include "workloads/common/census.h"
#include "workloads/common/clock.h"
#include "workloads/common/observers.h"
#include "workloads/common/say.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {
namespace {

std::atomic<std::uint64_t> longest_us{0};  // that a grace period took

long membarrier(int command, int flags = 0, int cpu = 0) {
  return ::syscall(SYS_membarrier, command, flags, cpu);
}

// MEMBARRIER_CMD_GLOBAL is a synchronize_rcu() that user space may call.
void wait_for_grace_period(Tempest& tempest) {
  const double begun = tempest.clock->seconds();
  const std::int64_t asked = now_ns();
  if (membarrier(MEMBARRIER_CMD_GLOBAL) != 0) {
    ++tempest.refused;  // not with nohz_full
    return;
  }
  raise_to(longest_us, static_cast<std::uint64_t>(now_ns() - asked) / 1000);
  if (const std::string why =
          too_late("a grace period", tempest.clock->seconds() - begun, tempest.limit_s);
      !why.empty())
    broken("%s", why.c_str());
  ++tempest.done;
}

void fences(Actor& actor) {
  constexpr std::array kExpedited = {MEMBARRIER_CMD_PRIVATE_EXPEDITED,
                                     MEMBARRIER_CMD_GLOBAL_EXPEDITED,
                                     MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE};
  for (int i = 0; i < 8; ++i) membarrier(kExpedited[actor.below(kExpedited.size())]);
  // Of one CPU: whatever runs there, a thread of ours or not, or while it is gone.
  const auto& cpus = actor.tempest->cpus;
  for (int i = 0; i < 4; ++i)
    membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU,
               cpus[actor.below(cpus.size())]);
  membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);
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
  if (!owns_mounts(actor)) return;
  const std::string place = actor.tempest->folder + say("/mount-%d", actor.number);
  mkdir(place.c_str(), 0700);
  for (int i = 0; i < 4; ++i) {
    if (mount("storm", place.c_str(), "tmpfs", 0, "size=64k") != 0) {
      ++actor.tempest->refused;
      return;
    }
    umount2(place.c_str(), actor.below(2) == 0 ? 0 : MNT_DETACH);
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

// A child joins a group of its own; `beside` happens to the group while it lives.
void in_group(Actor& actor, const char* deed,
              const std::function<void(const std::string&)>& beside) {
  const std::string group = actor.tempest->group + say("/%d", actor.number);
  if (mkdir(group.c_str(), 0700) != 0) {
    ++actor.tempest->refused;
    return;
  }
  in_child(
      actor, deed,
      [&] {
        if (write_file(group + "/cgroup.procs", "0") != 0) return kCannotRun;
        if (beside) spin_until(now_ns() + 1'000'000);
        return 0;
      },
      [&](pid_t) {
        if (beside) beside(group);
      });
  rmdir(group.c_str());
}

void cgroups(Actor& actor) {
  for (int i = 0; i < 4; ++i) in_group(actor, "cgroups", {});
}

void cpusets(Actor& actor) {
  in_group(actor, "cpusets", [&](const std::string& group) {
    const auto& cpus = actor.tempest->cpus;
    for (int i = 0; i < 4; ++i) {
      const auto first = static_cast<int>(actor.below(cpus.size()));
      const int error = write_file(
          group + "/cpuset.cpus",
          say("%d,%d", cpus[static_cast<std::size_t>(first)], cpus[actor.below(cpus.size())]));
      if (error != 0) ++actor.tempest->refused;
    }
  });
}

void mappings(Actor& actor) {
  const std::size_t size = (1 + actor.below(256)) * kPage;
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
  pin_to_cpu(cpus[actor.below(cpus.size())]);  // one that is offline is refused
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
  spin_until(now_ns() + static_cast<std::int64_t>(actor.below(5'000'000)));
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

}  // namespace

void register_for_membarrier(Actor&) {
  for (const int command :
       {MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ})
    membarrier(command);
}

std::uint64_t longest_membarrier_us() { return longest_us; }

std::vector<Deed> rcu_deeds() {
  return {{"membarrier", fences}, {"files", files},
          {"mounts", mounts},     {"netns", netns},
          {"links", make_links},  {"modules", load_modules},
          {"cgroups", cgroups},   {"cpusets", cpusets},
          {"mappings", mappings}, {"userfaults", serve_faults},
          {"affinity", affinity}, {"fifo", fifo},
          {"memory", memory}};
}

}  // namespace ktrial::workload
