#include "workloads/lockup-bait/deeds.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "workloads/common/census.h"
#include "workloads/common/system.h"

namespace ktrial::workload {
namespace {

std::size_t bytes = 0;

// Small pages: as many as there can be.
char* take(std::size_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  madvise(at, size, MADV_NOHUGEPAGE);
  for (std::size_t offset = 0; offset < size; offset += 4096)
    static_cast<volatile char*>(at)[offset] = 1;
  return static_cast<char*>(at);
}

void unmap(Actor& actor) {
  char* at = take(bytes);
  if (at == nullptr) {
    ++actor.tempest->refused;
    return;
  }
  std::size_t size = bytes;
  if (actor.below(2) == 0) {
    void* moved = mremap(at, size, 2 * size, MREMAP_MAYMOVE);
    if (moved != MAP_FAILED) {
      at = static_cast<char*>(moved);
      size *= 2;
      if (at[bytes - 4096] != 1) broken("unmap: what was moved is not what was written");
    }
  }
  munmap(at, size);
}

void exits(Actor& actor) {
  const bool killed = actor.below(2) == 0;
  in_child(actor, "exits", [killed] {
    if (take(bytes) == nullptr) return kCannotRun;
    if (!killed) return 0;
    // By another than itself: its memory goes with its parent's last look.
    const pid_t own = fork();
    if (own == 0) pause();
    if (own < 0) return kCannotRun;
    kill(own, SIGKILL);
    int status = 0;
    return waitpid(own, &status, 0) == own && WIFSIGNALED(status) ? 0 : kBroken;
  });
}

void forks(Actor& actor) {
  in_child(actor, "forks", [] {
    if (take(bytes) == nullptr) return kCannotRun;
    for (int i = 0; i < 3; ++i) {
      const pid_t copy = fork();
      if (copy == 0) _exit(7);
      if (copy < 0) return kCannotRun;
      int status = 0;
      if (waitpid(copy, &status, 0) != copy || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
        return kBroken;
    }
    return 0;
  });
}

// "VmLck:\t    4096 kB" of our own.
std::int64_t locked_kb() {
  std::string status = read_file("/proc/self/status").value_or("");
  std::replace(status.begin(), status.end(), '\t', ' ');
  return value_of(status, "VmLck:").value_or(-1);
}

void locks(Actor& actor) {
  in_child(actor, "locks", [] {
    if (take(bytes) == nullptr) return kCannotRun;
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) return kCannotRun;
    const auto locked = locked_kb();
    if (locked < static_cast<std::int64_t>(bytes / 1024)) return kBroken;
    munlockall();
    return 0;
  });
}

}  // namespace

std::size_t bait_bytes() { return bytes; }

void set_bait(std::int64_t mib, std::int64_t threads) {
  constexpr std::int64_t kLeast = 1 << 20, kMost = 256 << 20;
  const auto free =
      value_of(read_file("/proc/meminfo").value_or(""), "MemAvailable:").value_or(65536) * 1024;
  const std::int64_t share =
      mib > 0 ? mib << 20
              : std::clamp(free / 4 / std::max<std::int64_t>(threads, 1), kLeast, kMost);
  bytes = static_cast<std::size_t>(share) & ~std::size_t{4095};
}

std::vector<Deed> baits() {
  return {{"unmap", unmap}, {"exits", exits},     {"forks", forks},
          {"locks", locks}, {"folders", folders}, {"vectors", vectors},
          {"files", files}, {"pipes", pipes},     {"descriptors", descriptors}};
}

}  // namespace ktrial::workload
