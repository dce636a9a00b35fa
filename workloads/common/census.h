// What a storm must leave behind as it was, read from the kernel's files. The bytes are the
// kernel's, so only their form is doubted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ktrial::workload {

struct Census {
  std::int64_t mounts = 0;   // lines of /proc/self/mountinfo
  std::int64_t groups = 0;   // below ours: nr_descendants of cgroup.stat
  std::int64_t dying = 0;    // nr_dying_descendants: removed, but still referenced
  std::int64_t cpus = 0;     // online
  std::int64_t files = 0;    // allocated: the first number of /proc/sys/fs/file-nr
  std::int64_t mlocked = 0;  // kB of /proc/meminfo
  std::int64_t shmem = 0;    // kB: files of tmpfs
};

// What the kernel's counts may be wrong by (each CPU holds a part of them).
struct Slack {
  std::int64_t files = 0, kb = 0;
  static Slack of(std::size_t cpus);
};

std::int64_t count_lines(std::string_view text);
// The number behind `key` ("nr_descendants 3\n", "Mlocked:  4 kB\n"); nothing if there is none.
std::optional<std::int64_t> value_of(std::string_view text, std::string_view key);
std::optional<std::int64_t> first_number(std::string_view text);

// Of now; `group`: the folder of a control group of ours, which need not exist.
Census take_census(const std::string& group);

// What has not come back, in a sentence; empty: all has.
std::string difference(const Census& before, const Census& after, const Slack& slack);

// Why so many seconds are too many for `what`; empty: they are not.
std::string too_late(const char* what, double seconds, std::int64_t limit_s);

}  // namespace ktrial::workload
