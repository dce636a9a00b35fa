#include "harness/console/decoding.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "harness/base/text.h"

namespace ktrial::console {
namespace {

void append_utf8(unsigned point, std::string& out) {
  if (point < 0x80) {
    out.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out.push_back(static_cast<char>(0xc0 | point >> 6));
    out.push_back(static_cast<char>(0x80 | (point & 0x3f)));
  } else if (point < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | point >> 12));
    out.push_back(static_cast<char>(0x80 | (point >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | (point >> 18 & 7)));
    out.push_back(static_cast<char>(0x80 | (point >> 12 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (point >> 6 & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3f)));
  }
}

struct Pair {
  std::string_view from, to;
};
constexpr std::array<Pair, 12> kEntities = {{{"&gt;", ">"},
                                             {"&lt;", "<"},
                                             {"&amp;", "&"},
                                             {"&quot;", "\""},
                                             {"&apos;", "'"},
                                             {"&nbsp;", " "},
                                             {"&#39;", "'"},
                                             {"&#x27;", "'"},
                                             {"&#34;", "\""},
                                             {"&#160;", " "},
                                             {"&#xa0;", " "},
                                             {"&#43;", "+"}}};
// Blanks, hyphens and quotes that word processors and web pages put in the place of ASCII's.
constexpr std::array<Pair, 14> kTypographic = {{{"\u00a0", " "},
                                                {"\u2007", " "},
                                                {"\u202f", " "},
                                                {"\u3000", " "},
                                                {"\u200b", ""},
                                                {"\u200e", ""},
                                                {"\ufeff", ""},
                                                {"\u2010", "-"},
                                                {"\u2013", "-"},
                                                {"\u2014", "---"},
                                                {"\u2018", "'"},
                                                {"\u2019", "'"},
                                                {"\u201c", "\""},
                                                {"\u201d", "\""}}};

template <std::size_t N>
const Pair* pair_at(const std::array<Pair, N>& pairs, std::string_view text) {
  for (const Pair& pair : pairs)
    if (text.starts_with(pair.from)) return &pair;
  return nullptr;
}

bool octal(char c) { return c >= '0' && c <= '7'; }

// Control characters other than newline and tab say nothing.
void append_control(unsigned value, std::string& out) {
  if (value == '\n' || value == '\t' || value >= 0x20) out.push_back(static_cast<char>(value));
}

// The string that starts at `at` with a quote; its end is left behind the closing one, or at the
// end of the text where that is missing.
std::string json_string(std::string_view text, std::size_t& at) {
  std::string out;
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] != '\\' || at + 1 >= text.size()) {
      out.push_back(text[at]);
      continue;
    }
    const char c = text[++at];
    if (c == 'u') {
      const auto point = to_number<unsigned>(text.substr(at + 1, 4), 16);
      if (point) append_utf8(*point < 0x20 && *point != '\n' && *point != '\t' ? ' ' : *point, out);
      at = std::min(text.size() - 1, at + 4);
    } else if (c == 'n') {
      out.push_back('\n');
    } else if (c == 't') {
      out.push_back('\t');
    } else if (c != 'r' && c != 'b' && c != 'f') {
      out.push_back(c);
    }
  }
  if (at < text.size()) ++at;
  return out;
}

// journald writes what is not UTF-8 as an array of bytes.
std::string json_bytes(std::string_view text) {
  std::string out;
  unsigned value = 0;
  bool digits = false;
  for (const char c : text.substr(1)) {
    if (c >= '0' && c <= '9') {
      value = std::min(255U, value * 10 + static_cast<unsigned>(c - '0'));
      digits = true;
      continue;
    }
    if (digits) append_control(std::exchange(value, 0), out);
    digits = false;
    if (c == ']') break;
  }
  return out;
}

}  // namespace

void Utf16::append(unsigned point) { append_utf8(point, out_); }

void Utf16::unit(unsigned value) {
  if (value == 0xfeff) return;
  if (value >= 0xd800 && value < 0xdc00) {
    high_ = value;
  } else if (value >= 0xdc00 && value < 0xe000) {
    if (high_ != 0) append(0x10000 + ((high_ - 0xd800) << 10) + (value - 0xdc00));
    high_ = 0;
  } else {
    append(value);
  }
}

std::string_view Utf16::decode(std::string_view bytes) {
  if (form_ == Form::bytes) return bytes;
  held_.append(bytes);
  if (form_ == Form::unknown) {
    if (held_.size() < 4) return {};
    const auto at = [&](int i) { return static_cast<unsigned char>(held_[i]); };
    const bool text = at(0) != 0 && at(2) != 0 && at(1) == 0 && at(3) == 0;
    const bool swapped = at(0) == 0 && at(2) == 0 && at(1) != 0 && at(3) != 0;
    form_ = (at(0) == 0xff && at(1) == 0xfe) || text      ? Form::little
            : (at(0) == 0xfe && at(1) == 0xff) || swapped ? Form::big
                                                          : Form::bytes;
  }
  if (form_ == Form::bytes) {
    out_ = std::exchange(held_, {});
    return out_;
  }
  out_.clear();
  const int low = form_ == Form::little ? 0 : 1;
  std::size_t i = 0;
  for (; i + 1 < held_.size(); i += 2)
    unit(static_cast<unsigned char>(held_[i + static_cast<std::size_t>(low)]) |
         static_cast<unsigned>(
             static_cast<unsigned char>(held_[i + static_cast<std::size_t>(1 - low)]))
             << 8);
  held_.erase(0, i);
  return out_;
}

std::string_view Utf16::finish() {
  out_ = std::exchange(held_, {});
  if (form_ == Form::little || form_ == Form::big) out_.clear();  // half a character
  form_ = Form::bytes;
  return out_;
}

std::string_view LineEnds::release(bool replace) {
  form_ = replace ? Form::carriage_return : Form::newline;
  out_ = std::exchange(held_, {});
  if (replace) std::ranges::replace(out_, '\r', '\n');
  return out_;
}

std::string_view LineEnds::decode(std::string_view bytes) {
  constexpr std::size_t kEnough = 8 * 1024;
  constexpr int kLines = 4;
  if (form_ == Form::newline) return bytes;
  held_.append(bytes);
  if (form_ == Form::carriage_return) return release(true);
  if (bytes.find('\n') != bytes.npos) return release(false);
  return held_.size() < kEnough ? std::string_view()
                                : release(std::ranges::count(held_, '\r') >= kLines);
}

std::string_view LineEnds::finish() { return release(form_ != Form::newline); }

void undo_markup(std::string& text) {
  static const RE2 tag(
      R"((?i)</?(?:br|pre|code|span|div|p|tt|td|tr|th|li|ul|b|i|em|strong|font|a|samp|kbd|blockquote)(?: [^<>]{0,200})?/?>)");
  static const RE2 escape(R"(\\([\[\]_#*<>`~|+=().!-]))");
  const bool wide = std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
  const bool entities = text.find('&') != text.npos;
  const bool tags = text.find('<') != text.npos && text.find('>') != text.npos;
  const bool escapes = text.find("\\[") != text.npos || text.find("\\_") != text.npos;
  if (!wide && !entities && !tags && !escapes) return;
  static const RE2 closing(R"((?:</[a-z]+>)+$)");  // the kernel's own are in capitals
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = std::string_view(text).substr(i);
    const char c = text[i];
    const Pair* pair = c == '&'          ? pair_at(kEntities, rest)
                       : (c & 0x80) != 0 ? pair_at(kTypographic, rest)
                                         : nullptr;
    re2::StringPiece found;
    if (pair != nullptr) {
      out += pair->to;
      i += pair->from.size();
    } else if (c == '<' && tags &&
               tag.Match(re2::StringPiece(rest.data(), rest.size()), 0,
                         std::min<std::size_t>(rest.size(), 256), RE2::ANCHOR_START, &found, 1)) {
      if (found.size() > 2 && (found[1] == 'b' || found[1] == 'B') &&
          (found[2] == 'r' || found[2] == 'R'))
        out.push_back('\n');
      i += found.size();
    } else {
      out.push_back(c);
      ++i;
    }
  }
  if (escapes) RE2::GlobalReplace(&out, escape, R"(\1)");
  if (tags) RE2::Replace(&out, closing, "");
  text = std::move(out);
}

// The kernel's messages have neither process nor thread. Source: LogKlog.cpp of Android's logd.
void undo_tag(std::string& text) {
  if (text.size() < 32 || text[2] != '-' || text[5] != ' ' || text[8] != ':') return;
  static const RE2 tagged(
      R"(^(\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,6} +(?:\w+ +)?0 +0 [VDIWEF] )([^\s:]{1,24}) *: )");
  re2::StringPiece parts[3];
  if (!tagged.Match(text, 0, text.size(), RE2::ANCHOR_START, parts, 3) || parts[2] == "kernel")
    return;
  text = std::string(parts[1]) + ": " + std::string(parts[2]) + ": " + text.substr(parts[0].size());
}

std::string undo_octal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#' && i + 3 < text.size() && text[i + 1] == '0' && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      append_control(static_cast<unsigned>((text[i + 2] - '0') * 8 + (text[i + 3] - '0')), out);
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string undo_hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto value = text[i] == '\\' && i + 3 < text.size() && text[i + 1] == 'x'
                           ? to_number<unsigned>(text.substr(i + 2, 2), 16)
                           : std::nullopt;
    if (value) {
      append_control(*value, out);
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::optional<JsonMessage> json_message(std::string_view line) {
  static const RE2 key(
      R"~("(?:MESSAGE|(?:short_)?message|msg|log|Message|text|_raw)"\s*:\s*(["\[]))~");
  static const RE2 record(R"~(^(?:"|[^"]{0,100}\{ ?"))~");
  static const RE2 kernel(R"~("(?:_TRANSPORT|SYSLOG_IDENTIFIER)"\s*:\s*"kernel")~");
  static const RE2 others(R"~("_TRANSPORT"\s*:\s*"(?:syslog|journal|stdout|audit|driver)")~");
  line = trimmed(line, " \t,\x1e");
  if (line.size() < 8 || !line.substr(0, 104).contains('"')) return std::nullopt;
  const re2::StringPiece text(line.data(), line.size());
  re2::StringPiece opening[2];
  if (!RE2::PartialMatch(text, record) ||
      !key.Match(text, 0, text.size(), RE2::UNANCHORED, opening, 2))
    return std::nullopt;
  JsonMessage out;
  auto at = static_cast<std::size_t>(opening[1].data() - line.data());
  out.text = line[at] == '[' ? json_bytes(line.substr(at)) : json_string(line, at);
  out.kernel = RE2::PartialMatch(text, kernel);
  out.others = !out.kernel && RE2::PartialMatch(text, others);
  return out;
}

bool json_noise(std::string_view line) {
  static const RE2 noise(
      R"~(^\s*(?:[{}\],\[ ]+|"\w+"\s*:\s*(?:"[^"]*"|[\d.]+|null|[\[{]),?)\s*$)~");
  return RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), noise);
}

}  // namespace ktrial::console
