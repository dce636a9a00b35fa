// Jobs on this host, each a process of its own: `ktrial job`. One that is killed is lost alone.
// When we are killed the kernel ends all of them, and with each of them its machines; what they
// left is removed by each one's janitor (base/janitor.h).
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "harness/engine/engine.h"
#include "harness/engine/packing.h"

namespace ktrial::engine {

struct LocalOptions {
  std::filesystem::path program = {};  // is called as `PROGRAM job FILE`; empty: this program
  int at_a_time = 0;                   // see Queue
  std::optional<Room> room = {};       // unset: room_here()
  std::chrono::milliseconds patience;  // of a job that was told to end, until it is killed
  // The first signal lets the jobs finish that run, and begins no more; the second ends them.
  bool finish_first = false;
  std::function<void()> on_signal = {};  // told of each
  std::function<void()> on_tick = {};    // twice a second, while next() waits
};

// Call from the main thread, before SIGINT and SIGTERM matter: from here on they end the jobs.
Result<std::unique_ptr<Engine>> local_engine(const LocalOptions& options, Watcher watcher);

}  // namespace ktrial::engine
