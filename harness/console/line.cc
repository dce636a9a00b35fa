#include "harness/console/line.h"

#include <cctype>

namespace ktrial::console {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

std::string strip_controls(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size() && out.size() < kMaxLine; ++i) {
    const auto c = static_cast<unsigned char>(raw[i]);
    if (c == 0x1b) {  // ESC [ parameters final, or ESC and one byte
      if (i + 1 < raw.size() && raw[i + 1] == '[') {
        i += 2;
        while (i < raw.size() && !(raw[i] >= 0x40 && raw[i] <= 0x7e)) ++i;
      } else {
        ++i;
      }
    } else if (c == '\t') {
      out.push_back(' ');
    } else if (c >= 0x20 && c != 0x7f) {
      out.push_back(static_cast<char>(c));
    }
  }
  return out;
}

// The end of "[ *digits.digits6]" that begins at `at`, or 0.
std::size_t stamp_end(std::string_view s, std::size_t at) {
  std::size_t i = at + 1;
  while (i < s.size() && s[i] == ' ') ++i;
  const std::size_t first = i;
  while (i < s.size() && digit(s[i])) ++i;
  if (i == first || i >= s.size() || s[i] != '.') return 0;
  const std::size_t dot = i++;
  while (i < s.size() && digit(s[i])) ++i;
  return i - dot == 7 && i < s.size() && s[i] == ']' ? i + 1 : 0;
}

// "[ T123]" or "[    C0]" at `at`: its end, else 0.
std::size_t caller_end(std::string_view s, std::size_t at, std::string& context) {
  if (at >= s.size() || s[at] != '[') return 0;
  std::size_t i = at + 1;
  while (i < s.size() && s[i] == ' ') ++i;
  const std::size_t first = i;
  if (i >= s.size() || (s[i] != 'T' && s[i] != 'C')) return 0;
  ++i;
  while (i < s.size() && digit(s[i])) ++i;
  if (i == first + 1 || i >= s.size() || s[i] != ']') return 0;
  context = std::string(s.substr(first, i - first));
  return i + 1;
}

}  // namespace

Line clean_line(std::string_view raw) {
  // Cut early: a line of megabytes must cost no more than its beginning.
  std::string text = strip_controls(raw.substr(0, 2 * kMaxLine));
  Line out;
  std::size_t rest = 0;
  for (std::size_t at = text.find('['); at != text.npos; at = text.find('[', at + 1)) {
    std::size_t end = stamp_end(text, at);
    if (end == 0) continue;
    out.stamped = true;
    out.context.clear();
    if (std::size_t caller = caller_end(text, end, out.context)) end = caller;
    rest = end;
  }
  if (rest < text.size() && rest > 0 && text[rest] == ' ') ++rest;
  out.message = text.substr(rest);
  return out;
}

}  // namespace ktrial::console
