#include "harness/engine/packing.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "harness/base/file.h"
#include "harness/base/host_cpus.h"
#include "harness/base/text.h"

namespace ktrial::engine {
namespace {

constexpr int kQemuMib = 128;      // what a QEMU takes beside the guest's RAM, about
constexpr int kMostOvertaken = 8;  // times that a smaller job goes first
constexpr int kMemoryShare = 90;   // % of the memory that is available

// "MemAvailable:   12345 kB", proc_meminfo(5); without it, no limit.
std::int64_t available_mib() {
  const std::string text = read_file("/proc/meminfo", 64 << 10).value_or("");
  std::string_view rest = text;
  while (const auto line = take_line(rest)) {
    constexpr std::string_view kKey = "MemAvailable:";
    if (!line->starts_with(kKey)) continue;
    const auto words = split(trimmed(line->substr(kKey.size())), ' ');
    const auto kib = words.empty() ? std::nullopt : to_number<std::int64_t>(words.front());
    if (kib) return *kib / 1024;
  }
  return std::numeric_limits<std::int64_t>::max() / 100;
}

}  // namespace

Need need_of(const run::Job& job) {
  if (job.kernel_only) return {};  // it runs on what is left
  return {job.spec.cpus, std::int64_t{job.spec.memory_mib} + kQemuMib};
}

Room room_here() { return {host_cpus(), available_mib() * kMemoryShare / 100}; }

bool Queue::fits(const Need& need, const std::vector<Need>& running) const {
  if (need.vcpus == 0) return true;
  Need sum = need;
  int machines = 0;
  for (const Need& one : running) {
    sum.vcpus += one.vcpus;
    sum.memory_mib += one.memory_mib;
    machines += one.vcpus > 0;
  }
  if (machines == 0) return true;
  if (sum.memory_mib > room_.memory_mib) return false;
  return at_a_time_ > 0 ? machines < at_a_time_ : sum.vcpus <= room_.vcpus;
}

std::optional<Queue::Waiting> Queue::take(const std::vector<Need>& running) {
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (!fits(need_of(it->job), running)) {
      // A large job is not put off for ever by small ones.
      if (it->overtaken >= kMostOvertaken) return std::nullopt;
      continue;
    }
    for (auto earlier = waiting_.begin(); earlier != it; ++earlier) ++earlier->overtaken;
    Waiting out = std::move(*it);
    waiting_.erase(it);
    return out;
  }
  return std::nullopt;
}

bool Queue::remove(JobId id) {
  return std::erase_if(waiting_, [&](const Waiting& one) { return one.id == id; }) > 0;
}

int Queue::beside(const std::vector<Need>& running) const {
  if (at_a_time_ == 0) return 0;  // the others have CPUs of their own
  std::vector<int> others;
  for (const Need& one : running) others.push_back(one.vcpus);
  for (const Waiting& one : waiting_) others.push_back(need_of(one.job).vcpus);
  std::ranges::sort(others, std::greater());
  others.resize(std::min(others.size(), static_cast<std::size_t>(at_a_time_ - 1)));
  return std::accumulate(others.begin(), others.end(), 0);
}

}  // namespace ktrial::engine
