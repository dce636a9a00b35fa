// A kernel's own page tables, walked by hand: independent of what a vCPU has loaded, so it works
// for a CPU in user mode and under page-table isolation.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/introspect/address_space.h"
#include "harness/introspect/memory.h"

namespace ktrial::introspect {

// Not thread-safe: translations may be remembered. They hold while the guest is paused.
class PageTables : public AddressSpace {
 public:
  struct Place {
    std::uint64_t physical;
    std::uint64_t bytes;  // so many from there on are in the same page
  };
  // Of kernel addresses only: others, and unmapped ones, are errors.
  virtual Result<Place> translate(std::uint64_t address) const = 0;
  // What is mapped of [begin, end), kernel addresses; ascending, neighbours joined.
  virtual std::vector<Range> mapped(std::uint64_t begin, std::uint64_t end) const = 0;
};

}  // namespace ktrial::introspect
