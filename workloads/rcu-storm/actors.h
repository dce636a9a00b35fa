// The threads of the storm, and what one of them does in a turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "workloads/common/metronome.h"

namespace ktrial::workload {

enum class Deed { membarrier, files, mounts, netns, cgroups, mappings, affinity, fifo, memory };

// What all threads share.
struct Tempest {
  std::vector<Deed> deeds;  // those that are asked for
  std::vector<int> cpus;
  std::string folder;  // ours, on a tmpfs; folder/cgroup is a group of ours
  std::int64_t limit_s = 20;
  const Metronome* clock = nullptr;
  std::int64_t end_ns = 0;

  std::atomic<std::uint64_t> grace_periods{0}, turns{0}, refused{0};
  std::atomic<std::int64_t> longest_us{0};  // grace period, in the metronome's time
};

// One thread's part.
struct Actor {
  Tempest* tempest = nullptr;
  int number = 0;
  std::mt19937_64 random;
  bool own_mounts = false;  // has a mount namespace of its own
  pthread_t thread{};
};

// Until the end of the storm. Exits with kBroken when a grace period is too long.
void* storm(void* actor);

}  // namespace ktrial::workload
