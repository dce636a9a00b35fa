#include "harness/trial/last_word.h"

#include <algorithm>

#include "harness/base/text.h"

namespace ktrial::trial {
namespace {

bool complains(std::string_view line) { return line.contains("invariant broken: "); }

}  // namespace

void LastWord::feed(std::string_view bytes) {
  while (!complains_ && !bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    line_ += bytes.substr(0, std::min(end, kLongest - line_.size()));
    if (end == bytes.size()) return;
    bytes.remove_prefix(end + 1);
    if (!trimmed(line_).empty()) last_ = line_;
    complains_ = complains(line_);
    line_.clear();
  }
}

std::string LastWord::text() const {
  const std::string_view unfinished = trimmed(line_);
  return std::string(unfinished.empty() ? trimmed(last_) : unfinished);
}

}  // namespace ktrial::trial
