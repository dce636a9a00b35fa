// The progress pipe of a workload: lines `DONE TOTAL text`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "guest/wire/wire.h"

namespace ktrial::init {

// One line without its end. DONE and TOTAL are decimal (TOTAL 0: unknown), the
// text may be absent. Nothing if the line is not of this form.
std::optional<wire::Progress> parse_progress(std::string_view line);

// Cuts a byte stream into lines. A line longer than kMaxLine is malformed.
class ProgressLines {
 public:
  static constexpr std::size_t kMaxLine = 4096;  // bytes

  // The messages of the lines that `bytes` completes.
  std::vector<wire::Progress> feed(std::string_view bytes);
  std::uint64_t malformed() const { return malformed_; }

 private:
  void end_line(std::vector<wire::Progress>& found);

  std::string line_;
  bool too_long_ = false;
  std::uint64_t malformed_ = 0;
};

}  // namespace ktrial::init
