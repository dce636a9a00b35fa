// Takes kernel messages out of whatever a log was wrapped in, and says which lines are the
// kernel's. A printk stamp, or a daemon's word ("kernel: "), is proof. Other lines get a hearing,
// where the kernel has not spoken with proof in the same wrapping. Pure; holds back at most some 50
// lines, and of a plain console none.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/folding.h"
#include "harness/console/hearing.h"
#include "harness/console/line.h"
#include "harness/console/wrapping.h"

namespace ktrial::console {

class Envelope {
 public:
  // `text`: a line without control bytes, its characters decoded. `number`: of the file's line.
  void take(std::string_view text, std::uint64_t number, LineReader& reader);
  void finish(LineReader& reader);
  // A line that was left out.
  void skip(std::string_view text, std::uint64_t number);

  // Whether it must see line `number`: it is learning, or in the middle of something.
  bool wants(std::uint64_t number) const;
  // The kernel spoke, with proof.
  bool saw_kernel_line() const { return saw_kernel_; }
  // Without its wrapping, at most 1 KiB.
  const std::string& last_kernel_line() const { return last_kernel_; }
  bool heard_strays() const { return hearing_.heard_strays(); }

 private:
  void take_folded(LineReader& reader);
  void take_whole(std::string_view message, std::uint64_t number, LineReader& reader);
  std::string_view before_in_line(std::string_view text) const;
  void take_stamped(std::string_view text, const Peeled& peeled, LineReader& reader);
  void take_proved(std::string_view text, const Peeled& peeled, std::uint64_t number,
                   LineReader& reader);
  void deliver(Line line, const Peeled& peeled, LineReader& reader);
  bool take_record(std::string_view text, std::uint64_t number, LineReader& reader);
  bool repeated(std::size_t hash, std::string_view body);
  void note_proof(Shape shape, LineReader& reader);

  Hearing hearing_;
  bool saw_kernel_ = false;
  std::string last_kernel_;
  // Wrappings in which the kernel spoke with proof.
  std::array<Shape, 8> spoken_{};
  std::size_t spoken_count_ = 0;
  Folding folding_;
  std::string_view whole_;     // the line that is taken
  bool put_together_ = false;  // it was several
  // Logs that tell everything twice.
  std::size_t last_hash_ = 0;
  std::array<std::size_t, 64> heads_{};
  std::size_t next_head_ = 0;
  std::string stamp_form_;         // of the text before the last stamp
  std::size_t message_at_ = 0;     // where the last proved message stood in its line
  std::uint64_t record_line_ = 0;  // the last line that held a field of a record
  std::vector<Line> segments_;
};

}  // namespace ktrial::console
