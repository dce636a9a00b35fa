#include "harness/engine/hosts/pool.h"

#include <algorithm>
#include <cmath>

namespace ktrial::engine::hosts {
namespace {

constexpr std::size_t kMostKinds = 512;  // what is learned is bounded

}  // namespace

void Pool::up(std::size_t host, const Room& room, double others_cpus) {
  hosts_[host].room = room;
  hosts_[host].others = std::clamp(static_cast<int>(std::lround(others_cpus)), 0, room.vcpus);
  hosts_[host].doubted = false;
}

void Pool::down(std::size_t host) {
  hosts_[host].room.reset();
  hosts_[host].doubted = false;
}

Room Pool::room() const {
  Room out;
  for (const Host& host : hosts_) {
    if (!host.room) continue;
    out.vcpus += host.room->vcpus;
    out.memory_mib += host.room->memory_mib;
  }
  return out;
}

std::optional<std::size_t> Pool::place(const Need& need) {
  std::optional<std::size_t> best;
  double best_score = -1;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const Host& host = hosts_[i];
    if (!host.room || host.doubted) continue;
    const int free = host.room->vcpus - host.others - host.vcpus;
    const bool fits =
        need.vcpus <= free && host.memory_mib + need.memory_mib <= host.room->memory_mib;
    if (!fits && host.jobs > 0) continue;
    const double score = weight(i) * std::max(0, free) / std::max(1, host.room->vcpus);
    if (score <= best_score) continue;
    best = i;
    best_score = score;
  }
  if (best) {
    Host& host = hosts_[*best];
    host.vcpus += need.vcpus;
    host.memory_mib += need.memory_mib;
    ++host.jobs;
  }
  return best;
}

void Pool::leave(std::size_t host, const Need& need) {
  hosts_[host].vcpus -= need.vcpus;
  hosts_[host].memory_mib -= need.memory_mib;
  --hosts_[host].jobs;
}

void Pool::learn(std::size_t host, const std::string& kind, double seconds) {
  if (!kinds_.contains(kind) && kinds_.size() >= kMostKinds) return;
  auto& [jobs, sum] = kinds_[kind].of[host];
  ++jobs;
  sum += seconds;
}

double Pool::weight(std::size_t host) const {
  double sum = 0, jobs = 0;
  for (const auto& [kind, times] : kinds_) {
    const auto own = times.of.find(host);
    if (own == times.of.end() || times.of.size() < 2) continue;
    double all = 0;  // the mean of the hosts' means
    for (const auto& [other, time] : times.of) all += time.second / time.first;
    all /= static_cast<double>(times.of.size());
    const double mine = own->second.second / own->second.first;
    if (mine <= 0) continue;
    sum += own->second.first * all / mine;
    jobs += own->second.first;
  }
  return jobs > 0 ? sum / jobs : 1;
}

}  // namespace ktrial::engine::hosts
