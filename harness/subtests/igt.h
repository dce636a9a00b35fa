// The IGT half of the parser.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "harness/subtests/subtest.h"

namespace ktrial::subtests {

class Igt {
 public:
  static bool starts(std::string_view line);  // "IGT-Version: ..."
  void line(std::string_view line);
  void add_to(Summary& summary) const;

 private:
  void keep(Subtest test);
  void end_subtest(std::string_view name, Result result, std::optional<double> seconds);
  void end_dynamic(std::string_view name, Result result, std::optional<double> seconds);

  std::vector<Subtest> done_;
  std::size_t not_kept_ = 0;
  std::string subtest_, dynamic_;  // that run now; empty: none
  bool had_dynamic_ = false, bad_dynamic_ = false;
  std::string why_;  // the last requirement or assertion that was not met
};

}  // namespace ktrial::subtests
