// Conditions of `ktrial replay --when`, and the places of --watch and --show (docs/replay.md): from
// words to what the plugin looks at.
//
//   when  = [ "first" | "last" ] term { "and" term }
//   term  = "vcpu" N [ "not" ] ( "in" FUNCTION | "in" "user" | "in" "kernel" | "runs" PID )
//         | WIDTH "[" place "]" COMPARISON NUMBER
//   place = ( SYMBOL | ADDRESS | "[" place "]" ) [ "@" CPU ] { "+" ( NUMBER | STRUCT.MEMBER ) }
//         | "task" "@" PID { "+" ( NUMBER | STRUCT.MEMBER ) }
//   WIDTH = u8 u16 u32 u64      COMPARISON = == != < <= > >= &
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/base/result.h"
#include "harness/bundle/map.h"
#include "harness/vm/vm.h"

namespace ktrial::bundle {

// A word of the expression, for errors about it: its column, from 1.
struct Word {
  std::string text;
  std::size_t column = 0;
};

struct Place {
  Word base;  // a symbol, an address or "task"; unused where `through` is not empty
  Word cpu;   // of a per-CPU variable; of "task": the PID; empty: it is none
  std::vector<Word> added;
  std::vector<Place> through;  // one: the pointer that lies there is the base
};

struct CodeTerm {
  unsigned cpu = 0;
  bool negated = false;
  Word where;  // a function, "user" or "kernel"
};
struct TaskTerm {
  unsigned cpu = 0;
  bool negated = false;
  std::uint32_t pid = 0;
  Word word;  // "runs", for errors
};
struct MemoryTerm {
  unsigned bytes = 8;
  Place place;
  vm::Exact::Term::Is is = vm::Exact::Term::Is::equal;
  std::uint64_t value = 0;
};

struct When {
  bool last = false;  // the last instant at which it began to hold, not the first
  std::vector<std::variant<CodeTerm, TaskTerm, MemoryTerm>> terms;
};

// ErrorKind::usage names the column. Pure.
Result<When> parse_when(std::string_view text);
// WIDTH "[" place "]"
Result<MemoryTerm> parse_word_of_memory(std::string_view text);
// ... and so it does where this kernel has no such symbol or member, or the machine no such vCPU.
Result<std::vector<vm::Exact::Term>> resolve(const When& when, const Map& map, unsigned cpus);
Result<vm::Exact::Term> resolve(const MemoryTerm& word, const Map& map, unsigned cpus);
// A place that no pointer leads to, "runqueues@1+8": where it is.
Result<std::uint64_t> resolve_place(std::string_view text, const Map& map, unsigned cpus);

// What was found, for people; `end`: instructions of the run.
std::string text_of_changes(const When& when, const vm::Changes& changes, std::uint64_t end,
                            const introspect::SymbolTable& all);
// The instant that was asked for; nothing: there is none.
std::optional<vm::Change> instant_of(const When& when, const vm::Changes& changes);

}  // namespace ktrial::bundle
