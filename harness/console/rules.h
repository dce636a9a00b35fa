// The table of report formats: what a report's first line looks like, what it
// is called, and where its function is found.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/kind.h"

namespace ktrial::console {

enum class Where {
  none,     // the title names no function
  head,     // capture F of the head line
  ip,       // instruction pointer line, else the stack
  stack,    // first telling frame of the first stack
  stall,    // what the stuck CPU was asked to do: the outermost telling frame
  lock,     // "at: F" of a lockdep report, else the stack
};

struct Rule {
  const char* pattern;  // anchored at the start of the message
  Kind kind;
  const char* title;  // \1..\3 are captures; " in F" is added unless Where::none
  Where where = Where::stack;
  bool optional = false;  // without a function the title stands alone and whole
};

struct CompiledRule {
  const Rule* rule;
  std::unique_ptr<RE2> regex;
};

// In order of precedence: the first match names a line.
const std::vector<CompiledRule>& rules();

struct HeadMatch {
  const Rule* rule = nullptr;
  std::string title;     // without " in F"
  std::string function;  // capture named F, when the head itself has one
};
// Whether `message` begins a report. A cheap test comes first, see may_begin().
bool match_head(std::string_view message, HeadMatch& match);
// False means: no rule matches anywhere in these bytes. Linear, fast.
bool may_begin(std::string_view bytes, std::size_t& at);

}  // namespace ktrial::console
