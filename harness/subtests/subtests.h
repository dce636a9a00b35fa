// Results of single tests in the output of a test program. Three formats are recognised by
// their first line: KTAP and TAP (Documentation/dev-tools/ktap.rst, testanything.org: what
// kselftests and KUnit print), that of IGT GPU Tools (lib/igt_core.c), and LTP's (lib/tst_res.c,
// and its runner ltp-pan; of a console or a log the runner's only). Bytes in, results out; pure.
// The bytes come from a guest: everything kept is bounded.
#pragma once

#include <memory>
#include <string_view>

#include "harness/subtests/subtest.h"

namespace ktrial::subtests {

enum class Source {
  output,     // of a program
  console,    // lines begin with a printk stamp, which is taken off; others are none (KUnit)
  saved_log,  // the same, but stamps, and what a journal or a mail puts before them, may be missing
};

class Parser {
 public:
  explicit Parser(Source source = Source::output);
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
