// Lines of a mail's text as they were written: quote marks counted and taken off, lines that the
// sender's program broke joined (RFC 3676).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/mail/message.h"

namespace ktrial::mail {

struct Flow {
  bool flowed = false;
  bool delete_space = false;  // DelSp=yes
};

class LineMaker {
 public:
  LineMaker(Part& into, Flow flow, std::size_t room) : part_(into), flow_(flow), room_(room) {}
  // Decoded bytes of the file's line `number`.
  void feed(std::string_view bytes, std::uint64_t number);
  void finish();
  std::size_t room() const { return room_; }

 private:
  void end_line();

  Part& part_;
  Flow flow_;
  std::size_t room_;  // bytes that may still come
  std::string line_;
  std::uint64_t number_ = 0;
  bool open_ = false, soft_ = false;
};

// Takes quote marks ("> > ", ">>") off, and says how many.
int take_quotes(std::string_view& line);

}  // namespace ktrial::mail
