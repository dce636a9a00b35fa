// The KTAP half of the parser. Output may hold several documents, one after another: each has a
// plan of its own (run_kselftest.sh prints one a collection).
#pragma once

#include <optional>
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
    std::string running;            // by the runner's "# selftests: NAME", until its result
    std::vector<Subtest> done;      // leaves with their names
    std::vector<Subtest> children;  // leaves of deeper levels, whose parent's line is to come
    std::size_t results = 0, planned = 0;
    bool has_plan = false;
    // Results that were planned and did not come.
    std::size_t lost() const { return planned > results ? planned - results : 0; }
  };
  Level& level_at(std::size_t column);
  std::string_view behind_a_prompt(std::string_view line) const;
  void plan(std::size_t column, std::size_t planned);
  void note(std::size_t column, std::string_view text);
  void result(std::size_t column, bool ok, std::string_view description);
  // Hands the parent's children over, under its name.
  void adopt(Level& level, const Subtest& parent);
  void fold();       // the innermost level into its parent
  void fold_open();  // the same, of one whose parent's line never came
  Subtest cut_off(const Level& level, std::string name);
  void close_document();
  void keep(std::vector<Subtest>& list, Subtest test);

  std::vector<Level> levels_{1};
  std::optional<std::size_t> margin_;  // columns before the document's first line
  std::vector<Subtest> done_;          // of the documents before this one
  std::string last_note_, bailed_out_, running_;
  std::size_t kept_ = 0, not_kept_ = 0, missing_ = 0;
};

}  // namespace ktrial::subtests
