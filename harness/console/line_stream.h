// Cuts a stream of bytes into messages. Most of a log starts no report and marks nothing: while its
// reader has no report open, such lines are counted and skipped at memory speed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/decoding.h"
#include "harness/console/envelope.h"
#include "harness/console/line.h"
#include "harness/console/transfer.h"

namespace ktrial::console {

class LineStream {
 public:
  // How the stream is cut into pieces makes no difference to what `reader` gets.
  void feed(std::string_view bytes, LineReader& reader);
  // An unfinished last line counts as a line.
  void finish(LineReader& reader);

  std::uint64_t lines() const { return lines_; }
  const Envelope& envelope() const { return envelope_; }

 private:
  void feed_bytes(std::string_view bytes, LineReader& reader);
  std::size_t feed_block(std::string_view text, LineReader& reader);
  void skip_lines(std::string_view text);
  void keep_partial(std::string_view piece);
  void end_partial(LineReader& reader);
  void read_line(std::string_view raw, LineReader& reader);
  void take_attached(LineReader& reader);
  void take_decoded(std::string& text, std::uint64_t number, LineReader& reader);
  bool wants_every_line(const LineReader& reader) const;

  Utf16 utf16_;
  LineEnds line_ends_;
  QuotedPrintable mail_;
  Base64 base64_;
  Envelope envelope_;
  std::uint64_t lines_ = 0;
  std::string partial_, clean_;
  bool started_ = false;
  std::vector<std::uint32_t> candidates_;
};

}  // namespace ktrial::console
