// Jobs on several hosts with libvirt, as one pool. Each is a `ktrial job` here, whose machine is a
// domain there. A host that does not answer loses what runs on it, which goes once more elsewhere,
// and is one of the pool again as soon as it answers.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/engine/engine.h"
#include "harness/engine/packing.h"

namespace ktrial::engine {

struct HostsOptions {
  std::filesystem::path program = {};  // see LocalOptions
  std::vector<std::string> uris = {};
  int at_a_time = 0;  // jobs in all; 0: as there is room
  std::chrono::milliseconds patience;
  bool finish_first = false;
  std::function<void()> on_signal = {};
  std::function<void()> on_tick = {};
  std::function<void(const std::string&)> tell = {};  // a line: a host that went or came
};

struct HostsEngine {
  std::unique_ptr<Engine> engine;
  Room room;  // of the hosts that answered
};
// Asks all hosts first; an error if none answers, with what each said.
Result<HostsEngine> hosts_engine(const HostsOptions& options, Watcher watcher);

}  // namespace ktrial::engine
