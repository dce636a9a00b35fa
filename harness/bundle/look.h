// What a deterministic run is asked once it is known to be the same, and what it answers: places
// by their symbols, found in the memory of the same run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/bundle/map.h"
#include "harness/vm/vm.h"

namespace ktrial::bundle {

struct Look {
  std::string stop_at;  // a count of instructions, or SYMBOL[+OFFSET][:HIT]
  std::optional<std::uint64_t> before_end = {};  // the same, counted from where it ended
  std::vector<std::string> trace = {};           // functions
  bool coverage = false;
  std::string watch = {};              // a place, when.h, [:BYTES]
  std::string when = {};               // a condition, when.h
  std::vector<std::string> show = {};  // words of memory, when.h, where it is held
  bool jumps = false;                  // of each vCPU
  bool any() const { return runs() || !show.empty(); }
  // Whether it takes a run of its own.
  bool runs() const {
    return stops() || !trace.empty() || coverage || !watch.empty() || !when.empty() || jumps;
  }
  bool stops() const { return !stop_at.empty() || before_end; }
};

// "mm_get_cid+0x55:3": of the number behind the colon, if there is none, `count`.
struct PlaceName {
  std::string symbol;  // or an address, "0x..."
  std::uint64_t offset = 0, count = 1;
};
Result<PlaceName> parse_place(std::string_view text, std::uint64_t count);

// Adds what `look` asks for to `exact`; ErrorKind::usage: there is no such symbol.
Status apply(const Look& look, const Map& map, std::uint64_t end, vm::Exact& exact);

// Visits for people, one a line: count, vCPU, task, function.
std::string text_of_calls(const std::vector<vm::Visit>& visits, const introspect::SymbolTable& all);
std::string text_of_stores(const std::vector<vm::Visit>& visits,
                           const introspect::SymbolTable& all);
// Functions whose code was run, by when that was first.
std::string text_of_coverage(const std::vector<vm::Visit>& visits,
                             const introspect::SymbolTable& all);

}  // namespace ktrial::bundle
