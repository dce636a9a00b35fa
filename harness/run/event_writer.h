// A job's events, a line of JSON each, on a descriptor.
#pragma once

#include <deque>
#include <string>

#include "harness/run/event.h"

namespace ktrial::run {

// A reader that is slow must not stop a trial: what a pipe does not take at once is kept, and
// written with a later event. When much is kept, progress and output are left out.
class EventWriter {
 public:
  // `fd` must outlive it; anything that can be written to.
  explicit EventWriter(int fd) : fd_(fd) {}
  void tell(const Event& event);
  // All that is kept. Blocks. An error if the reader went away, or a disk is full.
  Status finish();

 private:
  void write_some(bool all);
  int fd_;
  std::deque<std::string> kept_;
  std::size_t kept_bytes_ = 0, written_ = 0;  // of the first of them
  std::uint64_t left_out_ = 0;
  std::optional<Error> error_;
};

}  // namespace ktrial::run
