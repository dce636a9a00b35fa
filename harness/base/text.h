// Small steps of parsers: lines, words, numbers. Pure and without limits of their own; the
// views point into the text that was given.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdio>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace ktrial {

// Without the `blanks` at both ends.
inline std::string_view trimmed(std::string_view text, std::string_view blanks = " \t\r\n") {
  const std::size_t from = text.find_first_not_of(blanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

// The next line, without its newline, cut off `text`; nothing when `text` is empty. So the
// empty text has no line, and a newline at the end begins none.
inline std::optional<std::string_view> take_line(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

// The last line that is not blank, without blanks at its end: of a complaint, for an error's text.
inline std::string last_line(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  return std::string(text.substr(text.rfind('\n') + 1));
}

// The parts between separators that are not empty.
inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(separator));
    if (!part.empty()) parts.push_back(part);
    text.remove_prefix(std::min(text.size(), part.size() + 1));
  }
  return parts;
}

// The same with those that are empty: one more than there are separators.
inline std::vector<std::string_view> fields(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == text.npos) return out;
    text.remove_prefix(at + 1);
  }
}

// All of `text` as a number, by the rules of std::from_chars.
template <class T>
std::optional<T> to_number(std::string_view text, std::same_as<int> auto... base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "12.3 s", "2 min 5 s", "1 h 2 min"; "?" for what is no time.
inline std::string spoken_seconds(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  char out[48];
  const long whole = std::lround(seconds);
  if (seconds < 99.95)
    std::snprintf(out, sizeof out, "%.1f s", seconds);
  else if (whole < 3600)
    std::snprintf(out, sizeof out, "%ld min %ld s", whole / 60, whole % 60);
  else
    std::snprintf(out, sizeof out, "%ld h %ld min", whole / 3600, whole % 3600 / 60);
  return out;
}

// As text or attribute value of XML 1.0. Control characters but newline and tab cannot be
// written in it (section 2.2, production Char): the caller refuses or replaces them.
inline std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      case '\n':
        out += "&#10;";
        break;
      case '\t':
        out += "&#9;";
        break;
      default:
        out += c;
    }
  return out;
}

// One word of a POSIX shell's command line; plain words stay as they are.
inline std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,./:+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) return std::string(word);
  std::string out = "'";
  for (const char c : word) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

// Levenshtein: how many characters to insert, remove or change. Takes |a| * |b| steps.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (const char one : a) {
    std::size_t corner = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = corner + (one != b[j]);
      corner = row[j + 1];
      row[j + 1] = std::min({change, corner + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace ktrial
