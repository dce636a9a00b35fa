// What a storm must leave behind as it was, read from the kernel's files. Pure; the bytes are
// the kernel's, so only their form is doubted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ktrial::workload {

struct Census {
  std::int64_t mounts = 0;  // lines of /proc/self/mountinfo
  std::int64_t groups = 0;  // below ours: nr_descendants of cgroup.stat
  std::int64_t dying = 0;   // nr_dying_descendants: removed, but still referenced
  std::int64_t cpus = 0;    // online
  std::int64_t files = 0;   // allocated: the first number of /proc/sys/fs/file-nr
};

std::int64_t count_lines(std::string_view text);
// The number behind `key` ("nr_descendants 3\n"); nothing if there is none.
std::optional<std::int64_t> value_of(std::string_view text, std::string_view key);
std::optional<std::int64_t> first_number(std::string_view text);

// What has not come back, in a sentence; empty: all has. `slack`: files that the kernel's count
// may be wrong by (a counter with a part in each CPU).
std::string difference(const Census& before, const Census& after, std::int64_t slack);

// Why a grace period of so many seconds is too long; empty: it is not.
std::string too_late(double seconds, std::int64_t limit_s);

}  // namespace ktrial::workload
