#include "harness/subtests/subtests.h"

#include "harness/base/re2.h"
#include "harness/subtests/igt.h"
#include "harness/subtests/tap.h"

namespace ktrial::subtests {

struct Parser::State {
  static constexpr std::size_t kMaxLine = 4096;  // the rest of a longer line is not looked at

  explicit State(bool from_console) : console(from_console) {}

  void line(std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (console) {
      static const RE2& stamp = *new RE2(R"(^.*?\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? )");
      if (!consume(text, stamp)) return;
    }
    if (format == Format::none) {
      if (Tap::starts(text)) format = Format::tap;
      if (Igt::starts(text)) format = Format::igt;
    }
    if (format == Format::tap) tap.line(text);
    if (format == Format::igt) igt.line(text);
  }

  bool console;
  Format format = Format::none;
  Tap tap;
  Igt igt;
  std::string partial;
};

Parser::Parser(bool console) : state_(std::make_unique<State>(console)) {}
Parser::~Parser() = default;
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;

void Parser::feed(std::string_view bytes) {
  State& s = *state_;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    if (s.partial.size() < State::kMaxLine)
      s.partial += bytes.substr(0, std::min(end, State::kMaxLine - s.partial.size()));
    if (end == bytes.size()) return;
    s.line(s.partial);
    s.partial.clear();
    bytes.remove_prefix(end + 1);
  }
}

Summary Parser::summary() const {
  State whole = *state_;
  if (!whole.partial.empty()) whole.line(whole.partial);
  Summary out{.format = whole.format, .tests = {}, .bailed_out = {}};
  if (whole.format == Format::tap) whole.tap.add_to(out);
  if (whole.format == Format::igt) whole.igt.add_to(out);
  return out;
}

}  // namespace ktrial::subtests
