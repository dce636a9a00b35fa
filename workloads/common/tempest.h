// What the storms that mix deeds have in common: threads, each of which does one deed after the
// other, picked by a seed; each deed a switch of the command line; CPUs that go and come back
// beside them, observers that tell how late they are. What must come back is counted before and
// after. No deed may take longer than it can in a healthy kernel, by a clock that stands while a
// CPU does (metronome.h).
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "workloads/common/arguments.h"
#include "workloads/common/metronome.h"

namespace ktrial::workload {

struct Tempest;

struct Actor {
  Tempest* tempest = nullptr;
  int number = 0;
  std::mt19937_64 random;
  bool own_mounts = false;  // has a mount namespace of its own
  std::atomic<const char*> doing{nullptr};
  std::atomic<double> since{0};  // the metronome's seconds
  pthread_t thread{};

  std::uint64_t below(std::uint64_t end) { return random() % end; }
};

struct Deed {
  const char* name;  // also of its switch
  void (*act)(Actor&);
  bool wanted = true;
};

struct Tempest {
  // Of the workload.
  const char* name;
  const char* unit;  // what `done` counts; "turns": the deeds themselves
  std::vector<Deed> deeds;
  std::int64_t threads_per_cpu = 2;
  double duration_s = 20;
  const char* room = "size=4m";          // of its tmpfs
  std::vector<Parameter> own = {};       // parameters of its own
  std::vector<std::string> plants = {};  // of its own
  void (*prepare)(Actor&) = nullptr;     // first thing of each thread
  std::function<void(class Progress&)> tell = {};
  // Once the threads are done, when everything is told: what is wrong; empty: nothing.
  std::function<std::string(const Tempest&)> judge = {};

  // Of the command line.
  std::int64_t threads = 0, hotplug_ms = 200, limit_s = 20, seed = 1;
  bool observers = true;
  std::string plant = "none";

  // While it lasts.
  std::vector<int> cpus = {};
  std::string folder = {};  // ours, on a tmpfs
  std::string group = {};   // ours, a control group below it if the kernel has them
  const Metronome* clock = nullptr;
  std::int64_t end_ns = 0;
  std::atomic<std::uint64_t> done{0}, turns{0}, refused{0}, longest_turn_us{0};
};

// All of main(). Exits with kBroken or kCannotRun, or returns kHealthy.
int run_tempest(int argc, char** argv, Tempest& tempest);

// Events since the storm began, a minute.
std::uint64_t per_minute(std::uint64_t events, std::int64_t begun_ns);

// A mount namespace for the calling thread alone, once; false: it may not have one.
bool owns_mounts(Actor& actor);

// `body` in a child; what it returns is its exit status. 0 is as it should be, kCannotRun counts as
// refused, all else breaks the invariant, with `deed` named. `beside`: while it lives.
void in_child(Actor& actor, const char* deed, const std::function<int()>& body,
              const std::function<void(pid_t)>& beside = {});

}  // namespace ktrial::workload
