#include "workloads/rcu-storm/checks.h"

#include <algorithm>
#include <charconv>

#include "workloads/common/say.h"

namespace ktrial::workload {

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
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with(key) && line.substr(key.size()).starts_with(' '))
      return first_number(line.substr(key.size() + 1));
  }
  return std::nullopt;
}

std::string difference(const Census& before, const Census& after, std::int64_t slack) {
  struct Row {
    const char* what;
    std::int64_t before, after, slack;
  };
  const Row rows[] = {
      {"CPUs online", before.cpus, after.cpus, 0},
      {"mounts", before.mounts, after.mounts, 0},
      {"control groups", before.groups, after.groups, 0},
      {"dying control groups", before.dying, after.dying, 0},
      {"open files", before.files, std::max(before.files, after.files), slack},
  };
  for (const Row& row : rows)
    if (row.after > row.before + row.slack || row.after < row.before)
      return say("%s: %lld before, %lld after", row.what, static_cast<long long>(row.before),
                 static_cast<long long>(row.after));
  return {};
}

std::string too_late(double seconds, std::int64_t limit_s) {
  if (seconds <= static_cast<double>(limit_s)) return {};
  return say("a grace period took %.1f s in which all CPUs ran, more than %lld s", seconds,
             static_cast<long long>(limit_s));
}

}  // namespace ktrial::workload
