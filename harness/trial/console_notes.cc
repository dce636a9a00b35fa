#include "harness/trial/console_notes.h"

#include "harness/trace/slice.h"

namespace ktrial::trial {

namespace {

constexpr std::size_t kLongestLine = 16384, kLongestBanner = 1024;
constexpr std::size_t kMostStamps = 1u << 20;  // lines
constexpr std::string_view kBanner = "Linux version ";
constexpr std::string_view kCpusUp = "smp: Brought up ";  // smp_init()

// What stands in the parentheses that `text` begins with, inner ones and all.
std::optional<std::string_view> in_parentheses(std::string_view text) {
  if (!text.starts_with('(')) return std::nullopt;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (depth == 0) return text.substr(1, i - 1);
  }
  return std::nullopt;
}

// Up to the comma that stands in no parentheses.
std::string_view up_to_comma(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (depth == 0 && text[i] == ',') return text.substr(0, i);
  }
  return text;
}

}  // namespace

void ConsoleNotes::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (end == bytes.npos || !rest_.empty())
      rest_.append(part.substr(0, kLongestLine - std::min(kLongestLine, rest_.size())));
    if (end == bytes.npos) return;
    take(rest_.empty() ? part : std::string_view(rest_));
    rest_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void ConsoleNotes::finish() {
  if (!rest_.empty()) take(rest_);
  rest_.clear();
}

void ConsoleNotes::take(std::string_view line) {
  if (stamps_.size() < kMostStamps) {
    const auto stamp = trace::stamp_us(line.substr(0, 64));
    stamps_.push_back(stamp ? *stamp + 1 : 0);
  }
  if (banner_.empty())
    if (const std::size_t at = line.find(kBanner); at != line.npos)
      banner_ = line.substr(at, kLongestBanner);
  if (!cpus_up_) cpus_up_ = line.find(kCpusUp) != line.npos;
  if (lead_us_ == 0) lead_us_ = trace::clock_lead_us(line);
  dump_.take(line);
}

std::optional<std::uint64_t> ConsoleNotes::stamp_us(std::uint64_t line) const {
  if (line == 0 || line > stamps_.size() || stamps_[line - 1] == 0) return std::nullopt;
  return stamps_[line - 1] - 1;
}

std::string compiler_of(std::string_view banner) {
  const std::size_t builder = banner.find(" (");
  if (!banner.starts_with(kBanner) || builder == banner.npos) return {};
  banner.remove_prefix(builder + 1);
  const auto who = in_parentheses(banner);
  if (!who) return {};
  banner.remove_prefix(who->size() + 2);
  while (banner.starts_with(' ')) banner.remove_prefix(1);
  const auto how = in_parentheses(banner);
  if (!how) return {};
  std::string_view compiler = up_to_comma(*how);
  while (compiler.ends_with(' ')) compiler.remove_suffix(1);
  return std::string(compiler);
}

}  // namespace ktrial::trial
