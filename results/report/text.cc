#include "results/report/text.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "harness/base/text.h"

namespace ktrial::results {
namespace {

// Length of the UTF-8 character at the front, 0 if broken (RFC 3629).
std::size_t utf8_length(std::string_view s, std::uint32_t& code) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    code = lead;
    return 1;
  }
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || s.size() < length) return 0;
  code = lead & (0x7f >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  const std::uint32_t smallest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
  return length;
}

// C0 and C1 controls, what reorders or hides text on a terminal, and what is no character.
bool is_unsafe(std::uint32_t code) {
  return (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0) || code == 0xad ||
         (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || (code & 0xfffe) == 0xfffe ||
         (code >= 0xfdd0 && code <= 0xfdef);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::uint32_t code = 0;
    const std::size_t length = utf8_length(text, code);
    const std::size_t take = length == 0 ? 1 : length;
    if (length > 0 && !is_unsafe(code)) {
      out += text.substr(0, take);
    } else {
      for (char c : text.substr(0, take)) {
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(c) & 0xffu);
        out += hex;
      }
    }
    text.remove_prefix(take);
  }
  return out;
}

std::string shell_quoted(const std::vector<std::string>& argv) {
  std::string out;
  for (const std::string& word : argv) out += (out.empty() ? "" : " ") + ktrial::shell_quoted(word);
  return out;
}

std::string inked(std::string_view text, Ink ink, bool color) {
  if (!color) return std::string(text);
  static constexpr const char* kCodes[] = {"1", "2", "1;32", "1;31", "1;33"};
  return std::string("\x1b[") + kCodes[static_cast<int>(ink)] + "m" + std::string(text) + "\x1b[0m";
}

std::size_t count(const RunRecord& run, Outcome outcome) {
  return static_cast<std::size_t>(std::ranges::count(
      run.trials, outcome, [](const TrialRecord& trial) { return trial.verdict.outcome; }));
}

Ink ink_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass:
      return Ink::good;
    case Outcome::fail:
      return Ink::bad;
    case Outcome::inconclusive:
      break;
  }
  return Ink::unsure;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

void add_field(std::string& out, std::string_view key, const std::string& value, bool color) {
  if (value.empty()) return;
  out += "  " + inked(padded(std::string(key), 10), Ink::dim, color) + " " + value + "\n";
}

std::string cut(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0) == 0x80) --limit;
  text.resize(limit);
  return text + "...";
}

std::string one_line(std::string_view text, std::size_t limit) {
  // What is cut may end within a character: one byte more than is shown is enough to see it.
  return cut(printable(text.substr(0, limit + 4)), limit);
}

std::vector<std::string> safe_lines(std::string_view text, std::size_t most, std::size_t columns) {
  std::vector<std::string> out;
  while (const auto line = take_line(text)) {
    if (out.size() == most) {
      out.push_back("...");
      break;
    }
    out.push_back(one_line(line->substr(0, line->find_last_not_of(" \t\r") + 1), columns));
  }
  return out;
}

std::string fixed(double value, int digits) {
  if (!std::isfinite(value) || std::fabs(value) > 1e15) value = 0;
  char out[64];
  const auto [end, error] =
      std::to_chars(out, out + sizeof out, value, std::chars_format::fixed, digits);
  return error == std::errc() ? std::string(out, end) : "0";
}

std::string counted(std::size_t n, std::string_view what) {
  return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s");
}

std::string percent(double part) {
  const double hundred = 100 * part;
  const int digits = hundred <= 0 || hundred >= 9.95 ? 0 : hundred >= 0.995 ? 1 : 2;
  return fixed(hundred, digits) + " %";
}

std::string fact(const Facts& facts, std::string_view key) {
  const auto it = std::ranges::find(facts, key, &Facts::value_type::first);
  return it == facts.end() ? "" : it->second;
}

}  // namespace ktrial::results
