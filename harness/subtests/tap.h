// The KTAP half of the parser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/subtests/subtest.h"

namespace ktrial::subtests {

class Tap {
 public:
  // Whether the line starts a document: "KTAP version 1", "TAP version 13".
  static bool starts(std::string_view line);
  void line(std::string_view line);
  void add_to(Summary& summary) const;

 private:
  struct Level {
    std::size_t column = 0;
    std::string suite;              // by "# Subtest: NAME"
    std::vector<Subtest> done;      // leaves with their names
    std::vector<Subtest> children;  // leaves of deeper levels, whose parent's line is to come
    std::size_t results = 0, planned = 0;
  };
  Level& level_at(std::size_t column);
  void result(std::size_t column, bool ok, std::string_view description);
  void fold(bool parent_follows);  // the innermost level into its parent

  std::vector<Level> levels_{1};
  std::string last_note_, bailed_out_;
  std::size_t kept_ = 0, not_kept_ = 0;
};

}  // namespace ktrial::subtests
