// Invariants over hostile text in any wrapping: messages come in the order of their lines, are no
// more than the text can hold, and do not depend on how the stream was cut.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/line_stream.h"
#include "harness/console/wrapping.h"

namespace {

using ktrial::console::Line;
using ktrial::console::LineStream;

void check(bool ok) {
  if (!ok) std::abort();
}

struct Collector final : ktrial::console::LineReader {
  struct Message {
    std::uint64_t number;
    std::string body;
    bool kernel;
    bool operator==(const Message&) const = default;
  };
  std::vector<Message> messages;
  bool every;

  explicit Collector(bool every_line) : every(every_line) {}
  void read(const Line& line) override {
    check(line.body.size() <= line.whole.size());
    messages.push_back({line.number, std::string(line.body), line.kernel});
  }
  bool wants_every_line() const override { return every; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool every : {false, true}) {
    LineStream whole, pieces;
    Collector all(every), cut(every);
    whole.feed(text, all);
    whole.finish(all);
    for (std::size_t at = 0, length = 1; at < size; at += length, length = length * 7 % 61)
      pieces.feed(text.substr(at, length), cut);
    pieces.finish(cut);
    check(whole.lines() == pieces.lines());
    check(all.messages == cut.messages);
    check(all.messages.size() <= size + 1);
    std::uint64_t last = 0;
    for (const Collector::Message& message : all.messages) {
      check(message.number >= last && message.number >= 1 && message.number <= whole.lines());
      last = message.number;
    }
  }
  const std::string_view line = text.substr(0, text.find('\n'));
  check(ktrial::console::peel(line).body <= line.size());
  check(ktrial::console::peel_after_stamp(line) <= line.size());
  // A text has its own form.
  check(ktrial::console::match_form(ktrial::console::form_of(line), line) <= line.size());
  return 0;
}
