// Lines without proof that the kernel wrote them are heard: one like the head of a report is a
// hypothesis, and lines of a report in the same wrapping confirm it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "harness/console/line.h"
#include "harness/console/wrapping.h"

namespace ktrial::console {

class Hearing {
 public:
  // The kernel's own word, or somebody's that is not heard: passed on, behind what is held.
  void pass(const Line& line, LineReader& reader);
  // `line`: its body is what peel() left, with its indentation.
  // `doubted`: the kernel spoke with proof in this wrapping; only a whole report is believed now.
  void hear(const Line& line, Shape shape, bool doubted, LineReader& reader);
  // The kernel spoke with proof in this wrapping: what has none there is somebody else's.
  void contradict(Shape shape, LineReader& reader);
  void finish(LineReader& reader);

  bool busy() const { return !held_.empty() || active_lines_ > 0; }
  // Words of kernel reports stood in lines that were not understood.
  bool heard_strays() const;

 private:
  struct Held {
    std::string whole;
    Line line;  // its views point into `whole`
    std::size_t body = 0;
    Shape shape = 0;
    bool head = false;
    bool heard = false;
    bool first = false;  // of the text
    bool doubted = false;
    int weight = 0;    // how much it confirms a head before it
    std::string form;  // of unknown words before a head
  };
  struct Wrapping {
    Shape shape = 0;
    std::string form, indent;
  };

  void hold(const Line& line, Shape shape, bool heard);
  void settle(LineReader& reader, bool last);
  bool confirmed(const Held& head) const;
  void release(LineReader& reader, std::size_t count, const Wrapping* wrapping);
  static std::string_view unwrap(const Wrapping& wrapping, std::string_view whole, std::size_t body,
                                 Shape shape);
  static Wrapping wrapping_of(const Held& head);
  void note_strays(std::string_view text);

  std::deque<Held> held_;
  Wrapping active_;  // of a confirmed hypothesis
  int active_lines_ = 0;
  std::uint64_t heard_ = 0;  // lines that are not blank
  unsigned strays_ = 0;
};

}  // namespace ktrial::console
