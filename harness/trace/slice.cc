#include "harness/trace/slice.h"

#include <algorithm>
#include <charconv>

#include "harness/base/text.h"

namespace ktrial::trace {

namespace {

template <class T>
bool take_number(std::string_view& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// "SECONDS.MICROS", as both the trace and the log write it.
std::optional<std::uint64_t> take_time(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  constexpr std::uint64_t kMostSeconds = 1ull << 40;
  std::uint64_t seconds = 0, micros = 0;
  if (!take_number(text, seconds) || seconds > kMostSeconds || !text.starts_with('.'))
    return std::nullopt;
  text.remove_prefix(1);
  constexpr std::size_t kDigits = 6;
  const std::size_t before = text.size();
  if (!take_number(text, micros) || before - text.size() != kDigits) return std::nullopt;
  return seconds * 1000000 + micros;
}

}  // namespace

std::optional<LinePlace> place_of(std::string_view line) {
  if (line.starts_with('#')) return std::nullopt;
  // A task may be called "a [1": its name has at most 15 characters.
  for (std::size_t at = line.find(" ["); at < 48; at = line.find(" [", at + 1)) {
    std::string_view rest = line.substr(at + 2);
    LinePlace out;
    if (!take_number(rest, out.cpu) || !rest.starts_with("] ")) continue;
    rest.remove_prefix(2);
    const auto time = take_time(rest);
    if (!time || !rest.starts_with(": ")) continue;
    out.us = *time;
    out.at = at;
    return out;
  }
  return std::nullopt;
}

std::string cut(std::string_view text, const Slice& slice, bool with_summary) {
  std::string out;
  while (const auto line = take_line(text)) {
    const auto place = place_of(*line);
    bool wanted = with_summary && line->starts_with('#');
    if (place)
      wanted = (!slice.cpu || *slice.cpu == place->cpu) &&
               (!slice.from_us || *slice.from_us <= place->us) &&
               (!slice.to_us || place->us <= *slice.to_us);
    if (wanted) (out += *line) += '\n';
  }
  return out;
}

std::optional<std::uint64_t> end_us(std::string_view text) {
  std::optional<std::uint64_t> out;
  while (const auto line = take_line(text))
    if (const auto place = place_of(*line)) out = std::max(out.value_or(0), place->us);
  return out;
}

std::optional<std::uint64_t> stamp_us(std::string_view log_line) {
  const std::size_t at = log_line.find('[');
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = log_line.substr(at + 1);
  const auto time = take_time(rest);
  return rest.starts_with(']') ? time : std::nullopt;
}

std::int64_t clock_lead_us(std::string_view log) {
  constexpr std::int64_t kMost = 1'000'000'000'000;  // ns: no CPU counts that far before it boots
  std::size_t at = log.find("sched_clock: Marking ");
  if (at == std::string_view::npos) return 0;
  std::string_view line = log.substr(at, 256);
  line = line.substr(0, line.find('\n'));
  at = line.rfind(", ");
  if (at == std::string_view::npos) return 0;
  line.remove_prefix(at + 2);
  std::int64_t offset = 0;
  if (!take_number(line, offset) || !line.starts_with(')')) return 0;
  return offset > kMost || offset < -kMost ? 0 : -offset / 1000;
}

std::uint64_t trace_time_us(std::uint64_t stamp_us, std::int64_t lead_us) {
  if (lead_us >= 0) return stamp_us + static_cast<std::uint64_t>(lead_us);
  const auto back = static_cast<std::uint64_t>(-lead_us);
  return stamp_us > back ? stamp_us - back : 0;
}

}  // namespace ktrial::trace
