#include "workloads/common/census.h"

#include <algorithm>
#include <charconv>

#include "workloads/common/say.h"
#include "workloads/common/system.h"

namespace ktrial::workload {

Slack Slack::of(std::size_t cpus) {
  // percpu_counter_batch is 32 or twice the CPUs; a CPU's share of a zone's counts 125 pages.
  const auto count = static_cast<std::int64_t>(cpus);
  return {.files = 64 * count, .kb = 1024 * count};
}

std::int64_t count_lines(std::string_view text) {
  return std::count(text.begin(), text.end(), '\n');
}

std::optional<std::int64_t> first_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return std::nullopt;
  return value;
}

std::optional<std::int64_t> value_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(key) || !line.substr(key.size()).starts_with(' ')) continue;
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(' ', key.size())));
    return first_number(line);
  }
  return std::nullopt;
}

Census take_census(const std::string& group) {
  const std::string stat = read_file(group + "/cgroup.stat").value_or("");
  const std::string memory = read_file("/proc/meminfo").value_or("");
  return {.mounts = count_lines(read_file("/proc/self/mountinfo").value_or("")),
          .groups = value_of(stat, "nr_descendants").value_or(0),
          .dying = value_of(stat, "nr_dying_descendants").value_or(0),
          .cpus = static_cast<std::int64_t>(online_cpus().size()),
          .files = first_number(read_file("/proc/sys/fs/file-nr").value_or("")).value_or(0),
          .mlocked = value_of(memory, "Mlocked:").value_or(0),
          .shmem = value_of(memory, "Shmem:").value_or(0)};
}

std::string difference(const Census& before, const Census& after, const Slack& slack) {
  struct Row {
    const char* what;
    std::int64_t before, after, slack;
  };
  // Of what others use, too, fewer is none of ours.
  const Row rows[] = {
      {"CPUs online", before.cpus, after.cpus, 0},
      {"mounts", before.mounts, after.mounts, 0},
      {"control groups", before.groups, after.groups, 0},
      {"dying control groups", before.dying, after.dying, 0},
      {"open files", before.files, std::max(before.files, after.files), slack.files},
      {"kB of locked memory", before.mlocked, std::max(before.mlocked, after.mlocked), slack.kb},
      {"kB in tmpfs", before.shmem, std::max(before.shmem, after.shmem), slack.kb},
  };
  for (const Row& row : rows)
    if (row.after > row.before + row.slack || row.after < row.before)
      return say("%s: %lld before, %lld after", row.what, static_cast<long long>(row.before),
                 static_cast<long long>(row.after));
  return {};
}

std::string too_late(const char* what, double seconds, std::int64_t limit_s) {
  if (seconds <= static_cast<double>(limit_s)) return {};
  return say("%s took %.1f s in which all CPUs ran, more than %lld s", what, seconds,
             static_cast<long long>(limit_s));
}

}  // namespace ktrial::workload
