// One page of the kernel's trace ring buffer: header, then records. Pure.
//
// The format is what tracefs's events/header_page and events/header_event say, and
// include/linux/ring_buffer.h and kernel/trace/ring_buffer.c do; unchanged since 5.0.
// The bytes come from a guest: nothing in them is believed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::trace {

struct PageRecord {
  std::uint64_t ns = 0;             // by the trace clock
  std::uint32_t offset = 0;         // of its header, from the start of the page's data
  std::span<const std::byte> data;  // within the page's bytes, which must outlive it
  bool uncommitted = false;         // lies behind the commit: its writer had not finished it
};

struct PageContents {
  std::uint64_t begin_ns = 0;   // the page's own time stamp
  std::uint32_t committed = 0;  // bytes of data
  bool missed_events = false;   // some were lost before this page
  std::uint64_t missed = 0;     // how many, if the page says so; else 0
  std::vector<PageRecord> records;
  std::uint32_t parsed = 0;  // bytes of data that the records above took
  std::string trouble;       // not empty: the records end there too early, and why
};

inline constexpr std::size_t kPageHeader = 16;  // bytes before the data
inline constexpr std::uint32_t kMaxPage = 64u << 10;

// `page`: header and data. `written`: bytes of data that were reserved (buffer_page.write);
// records between the commit and there come marked as uncommitted. The error: no page at all.
Result<PageContents> parse_page(std::span<const std::byte> page, std::uint32_t written = 0);

}  // namespace ktrial::trace
