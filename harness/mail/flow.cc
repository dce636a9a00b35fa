#include "harness/mail/flow.h"

#include <algorithm>

#include "harness/console/line.h"

namespace ktrial::mail {

int take_quotes(std::string_view& line) {
  int quotes = 0;
  std::string_view rest = line;
  while (rest.starts_with('>') || rest.starts_with(" >")) {
    rest.remove_prefix(rest.front() == ' ' ? 2 : 1);
    ++quotes;
  }
  // "<quote> text": one blank belongs to the mark.
  if (quotes > 0 && rest.starts_with(' ')) rest.remove_prefix(1);
  if (quotes > 0) line = rest;
  return quotes;
}

void LineMaker::feed(std::string_view bytes, std::uint64_t number) {
  while (!bytes.empty()) {
    if (room_ == 0) {
      part_.cut = true;
      return;
    }
    if (!open_) {
      open_ = true;
      number_ = number;
    }
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    const std::size_t taken = std::min({piece.size(), Limits::kLine - line_.size(), room_});
    line_ += piece.substr(0, taken);
    room_ -= std::min(room_, taken + 1);
    if (end == bytes.npos) return;
    bytes.remove_prefix(end + 1);
    end_line();
  }
}

void LineMaker::end_line() {
  open_ = false;
  std::string clean;
  console::clean_line(line_, clean);
  line_.clear();
  std::string_view text = clean;
  const int quotes = take_quotes(text);
  // The blank that RFC 3676 puts before what might be taken for a quote.
  if (flow_.flowed && text.starts_with(' ') && quotes == 0) text.remove_prefix(1);
  const bool signature = text == "-- ";
  if (soft_ && !part_.lines.empty() && part_.lines.back().quotes == quotes && !signature &&
      part_.lines.back().text.size() + text.size() <= Limits::kLine) {
    part_.lines.back().text += text;
  } else {
    part_.lines.push_back({std::string(text), number_, quotes});
  }
  soft_ = flow_.flowed && text.ends_with(' ') && !signature;
  if (soft_ && flow_.delete_space) part_.lines.back().text.pop_back();
}

void LineMaker::finish() {
  if (open_) end_line();
}

}  // namespace ktrial::mail
