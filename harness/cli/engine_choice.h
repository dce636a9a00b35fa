// --engine: the one place that picks who runs the jobs of a command.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "harness/engine/engine.h"
#include "harness/engine/packing.h"
#include "harness/spec/fleet.h"

namespace ktrial::cli {

struct EngineFlags {
  std::string engine = "local", fleet;
};
// --engine and --fleet; `flags` must live as long as the command.
void add_engine_options(CLI::App& command, EngineFlags& flags);

// --fleet, or the default file; a file that is not there is a fleet without any wishes.
Result<spec::Fleet> fleet_of(const EngineFlags& flags);

struct EngineWish {
  std::filesystem::path results;  // of the jobs
  std::string id = {};            // of a campaign: what a process that was killed left is adopted
  int at_a_time = 0;              // jobs beside each other; 0: as there is room
  // See engine::LocalOptions.
  bool finish_first = false;
  std::function<void()> on_signal = {};
  std::function<void()> on_tick = {};
  std::function<void(const std::string&)> tell = {};  // a line; unset: stderr
};

struct ChosenEngine {
  std::unique_ptr<engine::Engine> engine;
  engine::Room room;
  // Jobs that are handed over, over those that there is room for: a scheduler that is asked at
  // intervals has some in its queue.
  double ahead = 1;
};
Result<ChosenEngine> choose_engine(const EngineFlags& flags, const EngineWish& wish,
                                   engine::Watcher watcher);

}  // namespace ktrial::cli
