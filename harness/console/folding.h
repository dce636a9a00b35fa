// Puts lines together that a mail program broke at a blank, or a terminal at its edge. Pure; holds
// back a few lines, and of a plain console none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::console {

// Whether a message starts like the head of a report.
bool has_head_words(std::string_view message);

class Folding {
 public:
  struct Part {
    std::string text;
    std::uint64_t number;
  };

  // A line that is the kernel's with proof, wrapping and all: how wide this text is.
  void learn(std::string_view line);

  // Whether `line` may go on in the next one; it is kept then.
  bool holds(std::string_view line, std::uint64_t number);
  bool holding() const { return !parts_.empty(); }
  // Whether `next` goes on with what is kept; it is kept as well then.
  bool adds(std::string_view next, std::uint64_t number);
  // Nothing more is looked for.
  bool complete() const { return complete_; }
  // What was kept: one line, or those that were kept in vain.
  std::vector<Part> take();
  // What was taken last was put together: its width is nobody's.
  bool joined() const { return joined_; }

 private:
  bool refuted() const;
  bool narrow() const;
  bool fills_terminal(std::string_view line) const;
  bool may_wait(std::string_view line) const;
  bool may_go_on(std::string_view line) const;
  std::optional<std::string> with(std::string_view next) const;

  std::vector<Part> parts_;
  std::string line_;  // the parts together
  bool sure_ = false, complete_ = false, joined_ = false;
  std::uint64_t lines_ = 0;
  std::uint64_t tries_ = 0, joins_ = 0;  // of lines near the margin, and those that went on
  std::size_t widest_ = 0, last_blank_ = 0, full_ = 0;
  std::size_t broken_at_ = 0;  // the width of a line that a terminal broke
};

}  // namespace ktrial::console
