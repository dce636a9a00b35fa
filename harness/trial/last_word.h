// The line of a program's output that says best how it ended: the first one in which a workload of
// ours says what is wrong ("invariant broken: ..."), else the last that is not blank.
#pragma once

#include <string>
#include <string_view>

namespace ktrial::trial {

class LastWord {
 public:
  static constexpr std::size_t kLongest = 240;  // bytes of a line; the rest of it is dropped

  void feed(std::string_view bytes);
  std::string text() const;  // without blanks at its ends; empty: nothing was said

 private:
  std::string line_, last_;
  bool complains_ = false;  // `last_` does
};

}  // namespace ktrial::trial
