// What makes two heads one event. Everything else is two findings: no report swallows another.
#pragma once

#include "harness/console/line.h"
#include "harness/console/oops_rules.h"
#include "harness/console/report.h"

namespace ktrial::console {

// Whether `head`, in `line`, is a part of the report that is open already:
// - the words of one trap, before its stack: "unable to handle", "kernel BUG at", "Oops: ... [#1]";
//   [#2] is another one;
// - the panic that the kernel says it makes of that report: "panic_on_warn set", "Fatal exception";
// - the same thing told twice: one kind, the same CPU and task, within a few lines.
bool is_part_of(const Report& open, const Head& head, const Line& line);

// All that there is to tell stands in the head: the lines that follow are still those of the report
// that is open.
bool is_brief(const Rule& rule);

// The boots of one console.
class Boots {
 public:
  enum class Seen { nothing, boot, unexpected_reboot };
  // A boot: whatever was open belongs to the one before. It is unexpected where the console shows
  // the loader at work, hence lost nothing, and nothing before it that says why.
  Seen read(const Line& line);

 private:
  bool kernel_ = false, ended_ = false, loader_ = false;
};

}  // namespace ktrial::console
