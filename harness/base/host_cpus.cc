#include "harness/base/host_cpus.h"

#include <sched.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial {
namespace fs = std::filesystem;
namespace {

constexpr char kMounted[] = "/sys/fs/cgroup";

// `quota` and `period` in microseconds; "max" and -1 mean no limit.
std::optional<double> quotient(std::string_view quota, std::string_view period) {
  const auto part = to_number<long>(quota), whole = to_number<long>(period);
  if (!part || !whole || *part <= 0 || *whole <= 0) return std::nullopt;
  return static_cast<double>(*part) / static_cast<double>(*whole);
}

std::optional<double> limit_in(const fs::path& folder) {
  if (const auto text = read_file(folder / "cpu.max", 256)) {  // "200000 100000"
    const auto words = split(trimmed(*text), ' ');
    return words.size() == 2 ? quotient(words[0], words[1]) : std::nullopt;
  }
  const auto quota = read_file(folder / "cpu.cfs_quota_us", 256);
  const auto period = read_file(folder / "cpu.cfs_period_us", 256);
  if (!quota || !period) return std::nullopt;
  return quotient(trimmed(*quota), trimmed(*period));
}

// "5:cpu,cpuacct:/a/b" of version 1, "0::/a/b" of version 2: where such a hierarchy may be mounted.
std::vector<fs::path> mounts_of(std::string_view controllers, const fs::path& mounted) {
  if (controllers.empty()) return {mounted, mounted / "unified"};
  const auto names = split(controllers, ',');
  if (std::ranges::find(names, "cpu") == names.end()) return {};
  return {mounted / controllers, mounted / "cpu"};
}

}  // namespace

std::optional<double> cgroup_cpus(std::string_view groups, const fs::path& mounted) {
  std::optional<double> least;
  while (const auto line = take_line(groups)) {
    const std::size_t first = line->find(':'), second = line->find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    for (const fs::path& mount : mounts_of(line->substr(first + 1, second - first - 1), mounted)) {
      // A container may see its own group as the top, by a path that is not in it: then only the
      // top is there.
      for (fs::path group = fs::path(line->substr(second + 1)).relative_path();;
           group = group.parent_path()) {
        if (const auto limit = limit_in(mount / group))
          least = std::min(*limit, least.value_or(*limit));
        if (group.empty()) break;
      }
    }
  }
  return least;
}

int host_cpus() {
  cpu_set_t ours;
  CPU_ZERO(&ours);
  const int allowed = ::sched_getaffinity(0, sizeof ours, &ours) == 0
                          ? CPU_COUNT(&ours)
                          : static_cast<int>(std::thread::hardware_concurrency());
  const auto quota = cgroup_cpus(read_file("/proc/self/cgroup", 64 << 10).value_or(""), kMounted);
  return std::max(1, quota ? std::min(allowed, static_cast<int>(*quota)) : allowed);
}

}  // namespace ktrial
