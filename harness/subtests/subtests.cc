#include "harness/subtests/subtests.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "harness/base/re2.h"
#include "harness/subtests/igt.h"
#include "harness/subtests/ltp.h"
#include "harness/subtests/tap.h"

namespace ktrial::subtests {

namespace {

// Equal names get an ordinal, so that two runs can be compared by name.
void tell_apart(std::vector<Subtest>& tests) {
  std::unordered_set<std::string> taken;
  std::unordered_map<std::string, std::size_t> count;
  for (Subtest& test : tests) {
    const std::string name = test.name;
    while (!taken.insert(test.name).second) {
      const std::string ordinal = " (" + std::to_string(++count[name] + 1) + ")";
      test.name = name.substr(0, kMaxName - ordinal.size()) + ordinal;
    }
  }
}

// Whether a document may begin in `text`; most of a console has none of this.
bool may_begin(std::string_view text) {
  for (const std::string_view mark :
       {std::string_view("TAP version"), std::string_view("IGT-Version"), Ltp::kRunnersMark})
    if (::memmem(text.data(), text.size(), mark.data(), mark.size()) != nullptr) return true;
  return false;
}

}  // namespace

struct Parser::State {
  static constexpr std::size_t kBlock = 4096;    // looked at as a whole, where nothing has begun
  static constexpr std::size_t kMaxLine = 4096;  // the rest of a longer line is not looked at

  explicit State(Source from) : source(from) {}

  // Takes off what is before a line of the kernel's; false: it is none.
  bool take_stamp(std::string_view& text) const {
    static const RE2& stamp = *new RE2(R"(^.*?\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? )");
    static const RE2& journal = *new RE2(R"(^(?:.*? kernel: )?(?:<\d{1,3}>)?)");
    if (source == Source::output) return true;
    if (source == Source::saved_log) consume(text, journal);
    return consume(text, stamp) || source == Source::saved_log;
  }

  void line(std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (!take_stamp(text)) return;
    if (format == Format::none) {
      if (Tap::starts(text)) format = Format::tap;
      if (Igt::starts(text)) format = Format::igt;
      // Of a log nobody knows what wrote it: there the runner's own word is needed.
      if (source == Source::output ? Ltp::starts(text) : text == Ltp::kRunnersMark)
        format = Format::ltp;
    }
    if (format == Format::tap) tap.line(text);
    if (format == Format::igt) igt.line(text);
    if (format == Format::ltp) ltp.line(text);
  }

  Source source;
  Format format = Format::none;
  Tap tap;
  Igt igt;
  Ltp ltp;
  std::string partial;
};

Parser::Parser(Source source) : state_(std::make_unique<State>(source)) {}
Parser::~Parser() = default;
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;

void Parser::feed(std::string_view bytes) {
  State& s = *state_;
  while (!bytes.empty()) {
    if (s.source == Source::saved_log && s.format == Format::none && s.partial.empty()) {
      const std::string_view lines =
          bytes.substr(0, bytes.substr(0, State::kBlock).rfind('\n') + 1);
      if (!lines.empty() && !may_begin(lines)) {
        bytes.remove_prefix(lines.size());
        continue;
      }
    }
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
  if (whole.format == Format::ltp) whole.ltp.add_to(out);
  tell_apart(out.tests);
  return out;
}

}  // namespace ktrial::subtests
