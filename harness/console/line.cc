#include "harness/console/line.h"

#include <charconv>

namespace ktrial::console {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

std::size_t skip_spaces(std::string_view s, std::size_t at) {
  while (at < s.size() && s[at] == ' ') ++at;
  return at;
}

// "[  123.456789]" at `at`: the position after it, or npos.
std::size_t match_stamp(std::string_view s, std::size_t at) {
  if (at >= s.size() || s[at] != '[') return s.npos;
  std::size_t i = skip_spaces(s, at + 1);
  const std::size_t seconds = i;
  while (i < s.size() && digit(s[i])) ++i;
  if (i == seconds || i - seconds > 12 || i >= s.size() || s[i] != '.') return s.npos;
  const std::size_t micros = ++i;
  while (i < s.size() && digit(s[i])) ++i;
  if (i - micros != 6) return s.npos;
  i = skip_spaces(s, i);
  // Some vendors' kernels print the caller inside the same brackets.
  std::size_t end = i;
  while (end < s.size() && end - i < 24 && (std::isalnum(static_cast<unsigned char>(s[end]))))
    ++end;
  if (end >= s.size() || s[end] != ']') return s.npos;
  return end + 1;
}

// "[   T12]" or "[C0]" at `at`, after optional spaces.
std::size_t match_caller(std::string_view s, std::size_t at, Line& line) {
  if (at >= s.size() || s[at] != '[') return at;
  std::size_t i = skip_spaces(s, at + 1);
  if (i >= s.size() || (s[i] != 'T' && s[i] != 'C')) return at;
  const char type = s[i++];
  long value = 0;
  const auto [end, error] = std::from_chars(s.data() + i, s.data() + s.size(), value);
  if (error != std::errc{} || value < 0) return at;
  const auto after = static_cast<std::size_t>(end - s.data());
  if (after >= s.size() || s[after] != ']') return at;
  line.caller_type = type;
  line.caller = value;
  return after + 1;
}

}  // namespace

bool is_stamp(std::string_view text, std::size_t at) { return match_stamp(text, at) != text.npos; }

bool starts_with_stamp(std::string_view text) {
  if (text.size() > 3 && text[0] == '<')
    if (const std::size_t close = text.find('>'); close <= 4) text.remove_prefix(close + 1);
  return is_stamp(text, 0);
}

void clean_line(std::string_view raw, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const auto c = static_cast<unsigned char>(raw[i]);
    if (c == 0x1b) {
      if (i + 1 < raw.size() && raw[i + 1] == '[') {  // CSI: parameters, then a final byte
        i += 2;
        while (i < raw.size() && static_cast<unsigned char>(raw[i]) < 0x40) ++i;
      } else if (i + 1 < raw.size()) {
        ++i;
      }
    } else if (c >= 0x20 || c == '\t') {
      out.push_back(raw[i]);
    }
  }
}

void parse_line(std::string_view clean, std::uint64_t number, std::vector<Line>& out) {
  out.clear();
  std::size_t text_from = 0;  // where the text before the next prefix starts
  for (std::size_t at = clean.find('['); at != clean.npos; at = clean.find('[', at + 1)) {
    const std::size_t after = match_stamp(clean, at);
    if (after == clean.npos) continue;
    std::size_t start = at;  // of the prefix, with its "<6>"
    if (start > text_from && clean[start - 1] == '>') {
      const std::size_t open = clean.rfind('<', start);
      if (open != clean.npos && open >= text_from && start - open <= 5) start = open;
    }
    if (out.empty()) {
      if (start > 0)
        out.push_back({.number = number, .whole = clean, .body = clean.substr(0, start)});
    } else {
      out.back().body = clean.substr(text_from, start - text_from);
    }
    Line line{.number = number, .whole = clean, .body = {}, .kernel = true};
    std::size_t body = match_caller(clean, after, line);
    if (body == after && after < clean.size() && clean[after] == ' ') {
      body = match_caller(clean, after + 1, line);
      if (body == after + 1) body = after;
    }
    if (body < clean.size() && clean[body] == ' ') ++body;
    line.body = clean.substr(body);
    out.push_back(line);
    text_from = body;
    at = body - 1;
    if (out.size() >= kMaxSegments) break;
  }
  if (out.empty()) out.push_back({.number = number, .whole = clean, .body = clean});
}

}  // namespace ktrial::console
