#include "workloads/int3-poke/checks.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace ktrial::workload {
namespace {

// The next word; empty at the end.
std::string_view take_word(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  const std::size_t end = std::min(line.find_first_of(" \t", begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

bool read_number(std::string_view word, std::uint64_t& into) {
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), into);
  return !word.empty() && error == std::errc() && end == word.data() + word.size();
}

std::string text(double seconds) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f s", seconds);
  return buffer;
}

// For a sentence: one line, not too long.
std::string in_quotes(std::string_view content) {
  constexpr std::size_t kMost = 120;
  std::string out = "\"";
  for (const char c : content.substr(0, kMost)) out += c == '\n' ? ' ' : c;
  while (out.ends_with(' ')) out.pop_back();
  return out + (content.size() > kMost ? "...\"" : "\"");
}

}  // namespace

std::optional<std::map<std::string, ProbeCount>> parse_kprobe_profile(std::string_view text) {
  std::map<std::string, ProbeCount> counts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view name = take_word(line);
    if (name.empty()) continue;
    ProbeCount count;
    if (!read_number(take_word(line), count.hits) || !read_number(take_word(line), count.misses) ||
        !take_word(line).empty())
      return std::nullopt;
    counts[std::string(name)] = count;
  }
  return counts;
}

std::string check_count(const std::string& probe, std::uint64_t calls, ProbeCount before,
                        ProbeCount after) {
  if (after.hits < before.hits || after.misses < before.misses)
    return probe + ": its counts went back";
  const std::uint64_t hits = after.hits - before.hits, misses = after.misses - before.misses;
  const std::string counts = std::to_string(calls) + " calls, " + std::to_string(hits) +
                             " hits and " + std::to_string(misses) + " misses";
  if (hits > calls || misses > calls - hits) return probe + ": too many, " + counts;
  const std::uint64_t lost = calls - hits - misses;
  if (lost != 0 && lost >= misses) return probe + ": calls were lost, " + counts;
  return {};
}

std::vector<std::string> check_ledgers(const std::vector<Ledger>& ledgers) {
  std::vector<std::string> wrong;
  for (const Ledger& ledger : ledgers)
    if (ledger.enabled != ledger.disabled)
      wrong.push_back(ledger.name + ": enabled " + std::to_string(ledger.enabled) +
                      " times, disabled " + std::to_string(ledger.disabled) + " times");
  return wrong;
}

Times times_of(const std::vector<Ledger>& ledgers) {
  std::vector<double> all;
  for (const Ledger& ledger : ledgers)
    all.insert(all.end(), ledger.seconds.begin(), ledger.seconds.end());
  if (all.empty()) return {};
  std::sort(all.begin(), all.end());
  return {all.size(), all[(all.size() - 1) * 99 / 100], all.back()};
}

std::string check_times(const Times& times, double limit_s) {
  if (times.longest > limit_s)
    return "a switch took " + text(times.longest) + ", more than " + text(limit_s);
  // Of less than a hundred, the 99th percentile is but the longest.
  if (times.count >= 100 && times.p99 > limit_s / 4)
    return "one switch in a hundred took " + text(times.p99) + ", more than " + text(limit_s / 4);
  return {};
}

std::vector<std::string> check_state(const State& expected, const State& now) {
  std::vector<std::string> wrong;
  for (const auto& [name, content] : expected) {
    const auto found = now.find(name);
    if (found == now.end())
      wrong.push_back(name + " is gone");
    else if (found->second != content)
      wrong.push_back(name + " holds " + in_quotes(found->second) + " in place of " +
                      in_quotes(content));
  }
  return wrong;
}

}  // namespace ktrial::workload
