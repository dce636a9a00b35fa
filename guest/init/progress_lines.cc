#include "guest/init/progress_lines.h"

#include <algorithm>

#include "guest/init/system.h"

namespace ktrial::init {

std::optional<wire::Progress> parse_progress(std::string_view line) {
  const std::size_t first = line.find(' ');
  if (first == line.npos) return std::nullopt;
  const auto done = parse_number(line.substr(0, first));
  line.remove_prefix(first + 1);
  const std::size_t second = std::min(line.find(' '), line.size());
  const auto total = parse_number(line.substr(0, second));
  line.remove_prefix(std::min(second + 1, line.size()));
  if (!done || !total) return std::nullopt;
  return wire::Progress{*done, *total, std::string(line)};
}

std::vector<wire::Progress> ProgressLines::feed(std::string_view bytes) {
  std::vector<wire::Progress> found;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    too_long_ = too_long_ || line_.size() + part.size() > kMaxLine;
    if (!too_long_) line_ += part;
    if (end == bytes.npos) break;
    end_line(found);
    bytes.remove_prefix(end + 1);
  }
  return found;
}

void ProgressLines::end_line(std::vector<wire::Progress>& found) {
  auto message = too_long_ ? std::nullopt : parse_progress(line_);
  if (message) {
    found.push_back(*std::move(message));
  } else {
    ++malformed_;
  }
  line_.clear();
  too_long_ = false;
}

}  // namespace ktrial::init
