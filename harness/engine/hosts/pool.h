// Hosts with libvirt as one pool: which of them takes the next job. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/engine/packing.h"

namespace ktrial::engine::hosts {

class Pool {
 public:
  explicit Pool(std::size_t hosts) : hosts_(hosts) {}

  // The host answers, and has so much, of which others keep so many CPUs busy.
  void up(std::size_t host, const Room& room, double others_cpus = 0);
  void down(std::size_t host);
  // Whether it is still there is being asked: until up() or down() it takes nothing new.
  void doubt(std::size_t host) { hosts_[host].doubted = true; }
  bool is_up(std::size_t host) const { return hosts_[host].room.has_value(); }
  // Of all that are up.
  Room room() const;

  // The host for a job now; it counts as there until leave(). With nothing on it, a host takes one
  // that is larger than itself, or than what others leave of it. Faster ones go first, by what they
  // have free.
  std::optional<std::size_t> place(const Need& need);
  void leave(std::size_t host, const Need& need);

  // A job that is like others of `kind` took so long there, from begin to end.
  void learn(std::size_t host, const std::string& kind, double seconds);
  // How fast it is, over all hosts' mean; 1 until something is known.
  double weight(std::size_t host) const;

 private:
  struct Host {
    std::optional<Room> room;
    bool doubted = false;
    int others = 0;  // CPUs
    int vcpus = 0, jobs = 0;
    std::int64_t memory_mib = 0;
  };
  struct Times {
    std::map<std::size_t, std::pair<int, double>> of;  // a host: jobs, seconds
  };
  std::vector<Host> hosts_;
  std::map<std::string, Times> kinds_;
};

}  // namespace ktrial::engine::hosts
