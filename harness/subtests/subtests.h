// Results of single tests in the output of a test program. Two formats are recognised by
// their first line: KTAP and TAP (Documentation/dev-tools/ktap.rst, testanything.org: what
// kselftests and KUnit print) and that of IGT GPU Tools (lib/igt_core.c). Bytes in, results
// out; pure. The bytes come from a guest: everything kept is bounded.
#pragma once

#include <memory>
#include <string_view>

#include "harness/subtests/subtest.h"

namespace ktrial::subtests {

class Parser {
 public:
  // `console`: lines may begin with a printk stamp, which is taken off (KUnit).
  explicit Parser(bool console = false);
  ~Parser();
  Parser(Parser&&) noexcept;
  Parser& operator=(Parser&&) noexcept;

  // How the stream is cut makes no difference.
  void feed(std::string_view bytes);
  // What is known so far; an unfinished last line counts, a started test without a
  // result has crashed.
  Summary summary() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ktrial::subtests
