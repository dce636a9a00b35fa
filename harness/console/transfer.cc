#include "harness/console/transfer.h"

#include <re2/re2.h>

#include <array>
#include <utility>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/console/line.h"

namespace ktrial::console {
namespace {

// The encoding that a mail's header names; nothing in other lines.
std::optional<std::string> named_encoding(std::string_view line) {
  static const RE2 header(R"((?i)^content-transfer-encoding: *([\w-]+))");
  std::string encoding;
  if (line.empty() || (line[0] != 'C' && line[0] != 'c') || !partial_match(line, header, &encoding))
    return std::nullopt;
  for (char& c : encoding) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return encoding;
}

// What a digit of base64 is worth; -1 for other characters. RFC 4648, section 4.
int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool is_base64(std::string_view line) {
  const std::string_view digits = line.substr(0, line.find_last_not_of('=') + 1);
  if (digits.empty() || line.size() - digits.size() > 2 || line.size() % 4 != 0) return false;
  for (const char c : digits)
    if (base64_value(c) < 0) return false;
  return true;
}

}  // namespace

void undo_quoted_printable(std::string& text) {
  std::size_t to = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '=' && i + 2 < text.size()) {
      const auto value = to_number<unsigned>(std::string_view(text).substr(i + 1, 2), 16);
      if (value && *value >= 0x20) {
        c = static_cast<char>(*value);
        i += 2;
      }
    }
    text[to++] = c;
  }
  text.resize(to);
}

bool QuotedPrintable::holds(std::string& line) {
  if (const auto encoding = named_encoding(line)) on_ = *encoding == "quoted-printable";
  const bool full =
      line.size() > 1 && line.size() < 1000 && line.back() == '=' && line[line.size() - 2] != '=';
  // RFC 2045 allows 76 columns; who encodes fills them, nearly.
  const bool soft = full && (on_ || (line.size() >= 60 && line.size() <= 77));
  if (kept_) {
    line = *kept_ + line;
    kept_.reset();
  } else {
    kept_number_ = number_;
  }
  if (soft && line.size() < 8192) {
    line.pop_back();
    kept_ = line;
    return true;
  }
  if (on_) undo_quoted_printable(line);
  return false;
}

std::optional<std::string> QuotedPrintable::take_kept() {
  std::optional<std::string> out = std::exchange(kept_, std::nullopt);
  if (out) *out += '=';
  return out;
}

bool Base64::takes(std::string_view line) {
  if (const auto encoding = named_encoding(line)) {
    finish();
    state_ = *encoding == "base64" ? State::header : State::off;
    return false;
  }
  if (state_ == State::header && trimmed(line).empty()) {
    state_ = State::body;
    any_ = false;
    return false;
  }
  if (state_ != State::body) return false;
  line = trimmed(line);
  if (is_base64(line)) {
    decode(line);
    any_ = true;
    return true;
  }
  if (any_ || !line.empty()) finish();
  return false;
}

void Base64::decode(std::string_view line) {
  for (const char c : line) {
    const int value = base64_value(c);
    if (value < 0) break;
    bits_ = bits_ << 6 | static_cast<unsigned>(value);
    bit_count_ += 6;
    if (bit_count_ < 8) continue;
    bit_count_ -= 8;
    decoded_.push_back(static_cast<char>(bits_ >> bit_count_ & 0xff));
  }
  if (line.ends_with('=')) bit_count_ = 0;
}

std::optional<std::string> Base64::take_line() {
  if (decoded_.empty()) return std::nullopt;
  const std::size_t end = decoded_.find('\n', taken_);
  const bool cut = end == decoded_.npos && decoded_.size() - taken_ >= kMaxLine;
  if (end == decoded_.npos && !cut) {
    decoded_.erase(0, std::exchange(taken_, 0));
    return std::nullopt;
  }
  std::string line = decoded_.substr(taken_, end - taken_);
  taken_ = end == decoded_.npos ? decoded_.size() : end + 1;
  return line;
}

void Base64::finish() {
  state_ = State::off;
  bit_count_ = 0;
  if (!decoded_.empty() && decoded_.back() != '\n') decoded_.push_back('\n');
}

}  // namespace ktrial::console
