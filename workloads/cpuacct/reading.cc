#include "workloads/cpuacct/reading.h"

#include <charconv>

namespace ktrial::cpuacct {
namespace {

constexpr std::size_t kMaxCpus = 65536;
constexpr int kProcStatFields = 8;

// Takes the text up to `end` (which is dropped), or all that is left.
std::string_view take(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == text.npos ? text.size() : at + 1);
  return head;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (!text.ends_with('\n')) return std::nullopt;
  text.remove_suffix(1);
  return number(text);
}

std::optional<std::vector<std::uint64_t>> parse_percpu(std::string_view text) {
  const std::string_view line = take(text, '\n');
  if (!text.empty()) return std::nullopt;
  std::vector<std::uint64_t> values;
  for (std::string_view rest = line; !rest.empty();) {
    const auto value = number(take(rest, ' '));
    if (!value || values.size() == kMaxCpus) return std::nullopt;
    values.push_back(*value);
  }
  if (values.empty()) return std::nullopt;
  return values;
}

bool parse_all(std::string_view text, V1& into) {
  if (take(text, '\n') != "cpu user system") return false;
  into.all_user.clear();
  into.all_sys.clear();
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    const auto cpu = number(take(line, ' ')), user = number(take(line, ' ')), sys = number(line);
    if (!cpu || !user || !sys || *cpu != into.all_user.size() || *cpu >= kMaxCpus) return false;
    into.all_user.push_back(*user);
    into.all_sys.push_back(*sys);
  }
  return !into.all_user.empty();
}

std::optional<std::uint64_t> parse_key(std::string_view text, std::string_view key) {
  std::optional<std::uint64_t> found;
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    if (take(line, ' ') != key) continue;
    const auto value = number(line);
    if (found || !value) return std::nullopt;
    found = value;
  }
  return found;
}

std::optional<V2> parse_cpu_stat(std::string_view text) {
  const auto usage = parse_key(text, "usage_usec"), user = parse_key(text, "user_usec"),
             system = parse_key(text, "system_usec");
  if (!usage || !user || !system) return std::nullopt;
  return V2{*usage, *user, *system};
}

std::optional<std::uint64_t> parse_proc_stat(std::string_view text) {
  std::string_view line = take(text, '\n');
  if (take(line, ' ') != "cpu" || take(line, ' ') != "") return std::nullopt;
  std::uint64_t sum = 0;
  for (int i = 0; i < kProcStatFields; ++i) {
    const auto value = number(take(line, ' '));
    if (!value) return std::nullopt;
    sum += *value;
  }
  return sum;
}

}  // namespace ktrial::cpuacct
