// The LTP half of the parser: what test programs print by tst_res() ("file.c:45: TPASS: text"; of
// the old library "name 1 TPASS : text"), and what the runner ltp-pan puts around each of them
// ("<<<test_start>>>", "tag=NAME ...", "... termination_type=exited termination_id=0 ...").
#pragma once

#include <string>
#include <string_view>

#include "harness/subtests/subtest.h"

namespace ktrial::subtests {

class Ltp {
 public:
  static bool starts(std::string_view line);
  static constexpr std::string_view kRunnersMark = "<<<test_start>>>";
  void line(std::string_view line);
  void add_to(Summary& summary) const;

 private:
  void keep(Subtest test);
  void end_test(std::string_view how, int status);
  bool message(std::string_view line);

  std::vector<Subtest> done_;
  std::size_t not_kept_ = 0;
  std::string tag_;      // that the runner runs now; empty: none
  std::string program_;  // by its last message, without a runner
  std::string why_;      // the first bad or skipping message of it
  int of_it_ = 0, bad_of_it_ = 0;
};

}  // namespace ktrial::subtests
