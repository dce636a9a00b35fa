// The table of report heads: which line starts which report, what it is called, and how the
// function in its title is found.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/finding.h"

namespace ktrial::console {

enum class Pick {
  none,     // the title names no function
  head,     // the head line's capture, or the first stack if that one is infrastructure
  pointer,  // the first instruction pointer in the kernel, or the first stack likewise
  stack,    // the first stack
  lock,     // where the lock is taken that the report is about
  stall,    // the code that a timer interrupt found running
  leak,     // who asked for the memory
  hung,     // what the task waits in
};

// How a line may be a part of a report that is open already; event.cc says when it is.
enum class Role {
  start,  // never, unless the same event is told twice
  warn,   // WARN(): the text it was given stands in a line before
  bug,    // "kernel BUG at": so does what BUG() is about
  die,    // the trap's own line, "Oops: 0002 [#1]", after "unable to handle"
  panic,  // after what the kernel panics about
  other,  // a line that reports of several kinds have
};

struct Rule {
  std::string_view head;  // RE2, anchored right after the printk prefix
  Kind kind;
  std::string_view title;  // \1 .. \3: captures; " in F" is appended
  Pick pick = Pick::none;
  int function = 0;  // with Pick::head: the capture that holds it
  Role role = Role::start;
  Accuses accuses = Accuses::kernel;
};

struct Head {
  const Rule* rule = nullptr;
  std::string title;     // without the function
  std::string function;  // as captured; empty if none
  std::vector<std::string> captures;
  // What the line tells besides; of a lockup the CPU that is stuck, not the one that found it.
  std::optional<int> cpu;
  std::string task;
  int oops_number = -1;  // "[#1]"
};

std::span<const Rule> oops_rules();
// Takes any text for the title: a longer line may say more.
bool is_catch_all(const Rule& rule);
// Has no head of its own: see Boots.
const Rule& reboot_rule();
// The first rule whose head matches; nothing for lines that are known to be harmless.
std::optional<Head> match_head(std::string_view body);

}  // namespace ktrial::console
