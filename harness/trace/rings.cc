#include "harness/trace/rings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "harness/trace/ring_page.h"

namespace ktrial::trace {
using introspect::KernelView;
using introspect::read_value;

namespace {

// Low bits of buffer_page.list.next (RB_PAGE_HEAD, RB_PAGE_UPDATE): the next page is
// the oldest one. buffer_page.write counts updates above its size.
constexpr std::uint64_t kFlags = 3;
constexpr std::uint32_t kWriteMask = 0xfffff;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kCommonFields = 8;  // type, flags, preempt_count, pid

// Where fields are, in bytes.
struct Layout {
  std::uint64_t list, write, read, page;                          // of buffer_page
  std::uint64_t nr_pages, pages, tail_page, reader_page;          // of a CPU's ring
  std::uint64_t entries, overrun, dropped, committing, consumed;  // its counters
};

Result<Layout> layout_of(const introspect::Btf& btf) {
  const char* ring = "ring_buffer_per_cpu";
  Layout out{
      .list = KTRIAL_TRY(btf.offset("buffer_page", "list.next")),
      .write = KTRIAL_TRY(btf.offset("buffer_page", "write")),
      .read = KTRIAL_TRY(btf.offset("buffer_page", "read")),
      .page = KTRIAL_TRY(btf.offset("buffer_page", "page")),
      .nr_pages = KTRIAL_TRY(btf.offset(ring, "nr_pages")),
      .pages = KTRIAL_TRY(btf.offset(ring, "pages")),
      .tail_page = KTRIAL_TRY(btf.offset(ring, "tail_page")),
      .reader_page = KTRIAL_TRY(btf.offset(ring, "reader_page")),
      .entries = KTRIAL_TRY(btf.offset(ring, "entries")),
      .overrun = KTRIAL_TRY(btf.offset(ring, "overrun")),
      .dropped = KTRIAL_TRY(btf.offset(ring, "dropped_events")),
      .committing = KTRIAL_TRY(btf.offset(ring, "committing")),
      .consumed = KTRIAL_TRY(btf.offset(ring, "read")),
  };
  return out;
}

struct Budget {
  std::size_t pages = kMaxPages, events = kMaxEvents;
};

class RingReader {
 public:
  RingReader(const KernelView& kernel, const Layout& layout, std::uint64_t address, Budget& budget,
             CpuRing& out)
      : kernel_(kernel), at_(layout), address_(address), budget_(budget), out_(out) {}

  Status run() {
    out_.entries = KTRIAL_TRY(word(address_ + at_.entries));
    out_.overrun = KTRIAL_TRY(word(address_ + at_.overrun));
    out_.dropped = KTRIAL_TRY(word(address_ + at_.dropped));
    out_.read = KTRIAL_TRY(word(address_ + at_.consumed));
    out_.writing = KTRIAL_TRY(word(address_ + at_.committing)) != 0;
    const std::uint64_t nodes = KTRIAL_TRY(word(address_ + at_.nr_pages));
    most_nodes_ = std::min<std::uint64_t>(nodes, kMaxPages) + 1;
    return walk();
  }

 private:
  Result<std::uint64_t> word(std::uint64_t address) const {
    return read_value<std::uint64_t>(kernel_.memory, address);
  }

  // ring_buffer_per_cpu.head_page is stale once the ring has wrapped; the flag is not.
  Result<std::uint64_t> oldest() const {
    std::uint64_t node = KTRIAL_TRY(word(address_ + at_.pages)) & ~kFlags;
    for (std::uint64_t i = 0; i < most_nodes_; ++i) {
      const std::uint64_t next = KTRIAL_TRY(word(node + at_.list));
      node = next & ~kFlags;
      if ((next & kFlags) != 0) return node;
    }
    return fail(ErrorKind::protocol, "no page of the ring is marked as its oldest");
  }

  // The reader's page, then the ring from its oldest page to the one being written.
  Status walk() {
    const std::uint64_t reader = KTRIAL_TRY(word(address_ + at_.reader_page));
    const std::uint64_t tail = KTRIAL_TRY(word(address_ + at_.tail_page));
    KTRIAL_TRY(add_page(reader, true));
    if (reader == tail) return {};
    std::unordered_set<std::uint64_t> seen = {reader};
    std::uint64_t node = KTRIAL_TRY(oldest());
    while (seen.size() <= most_nodes_ && seen.insert(node).second) {
      KTRIAL_TRY(add_page(node, false));
      if (node == tail) return {};
      node = KTRIAL_TRY(word(node + at_.list)) & ~kFlags;
    }
    return fail(ErrorKind::protocol, "the ring's pages never come to the one being written");
  }

  Status add_page(std::uint64_t node, bool is_reader) {
    if (budget_.pages == 0 || budget_.events == 0)
      return fail(ErrorKind::protocol, "more events than are read of one guest");
    --budget_.pages;
    const std::uint64_t address = KTRIAL_TRY(word(node + at_.page));
    const std::uint32_t written =
        KTRIAL_TRY(read_value<std::uint32_t>(kernel_.memory, node + at_.write)) & kWriteMask;
    const auto read = KTRIAL_TRY(read_value<std::uint32_t>(kernel_.memory, node + at_.read));
    RingPage page{std::vector<std::byte>(kPageBytes), node};
    KTRIAL_TRY(kernel_.memory.read(address, page.bytes));
    const PageContents contents = KTRIAL_TRY(parse_page(page.bytes, written));
    for (const PageRecord& record : contents.records)
      add_event(record, is_reader && record.offset < read);
    // What lies behind the commit may be anything; that it ends early means nothing.
    if (contents.parsed < contents.committed && !contents.trouble.empty() && out_.trouble.empty())
      out_.trouble = fmt::format("page {:#x}: {}", node, contents.trouble);
    if (contents.committed > 0 || !contents.records.empty()) out_.pages.push_back(std::move(page));
    return {};
  }

  void add_event(const PageRecord& record, bool consumed) {
    if (budget_.events == 0) return;
    --budget_.events;
    Event event{.cpu = out_.cpu, .ns = record.ns, .data = record.data};
    event.consumed = consumed && !record.uncommitted;
    event.uncommitted = record.uncommitted;
    if (record.data.size() >= kCommonFields) {
      std::memcpy(&event.type, record.data.data(), sizeof event.type);
      std::memcpy(&event.pid, record.data.data() + 4, sizeof event.pid);
    }
    out_.events.push_back(event);
  }

  const KernelView& kernel_;
  const Layout& at_;
  std::uint64_t address_;
  Budget& budget_;
  CpuRing& out_;
  std::uint64_t most_nodes_ = 0;
};

// As far as a ring names this buffer and its own place. Behind the last one lies what is another's.
Result<unsigned> count_rings(const KernelView& kernel, std::uint64_t buffer, std::uint64_t rings) {
  const auto number_at = KTRIAL_TRY(kernel.btf.offset("ring_buffer_per_cpu", "cpu"));
  const auto buffer_at = KTRIAL_TRY(kernel.btf.offset("ring_buffer_per_cpu", "buffer"));
  unsigned count = 0;
  for (unsigned cpu = 0; cpu < kMaxCpus; ++cpu) {
    const auto ring = read_value<std::uint64_t>(kernel.memory, rings + 8ull * cpu);
    if (!ring) break;
    const auto number = read_value<std::uint32_t>(kernel.memory, *ring + number_at);
    const auto owner = read_value<std::uint64_t>(kernel.memory, *ring + buffer_at);
    if (number && owner && *number == cpu && *owner == buffer) count = cpu + 1;
  }
  if (count == 0) return fail(ErrorKind::protocol, "this kernel's trace buffer has no rings");
  return count;
}

Result<unsigned> count_cpus(const KernelView& kernel, std::uint64_t buffer, std::uint64_t rings) {
  std::uint64_t at = 0;
  if (auto offset = kernel.btf.offset("trace_buffer", "cpus"))  // not in 6.12
    at = buffer + *offset;
  else if (auto symbol = kernel.symbol("nr_cpu_ids"))  // not without CONFIG_KALLSYMS_ALL
    at = *symbol;
  else
    return count_rings(kernel, buffer, rings);
  const auto count = KTRIAL_TRY(read_value<std::uint32_t>(kernel.memory, at));
  if (count == 0 || count > kMaxCpus)
    return fail(ErrorKind::protocol, fmt::format("a trace buffer for {} CPUs", count));
  return count;
}

Status check_page_size(const KernelView& kernel, std::uint64_t buffer) {
  const auto order = kernel.btf.offset("trace_buffer", "subbuf_order");  // since 6.8
  if (!order) return {};
  const auto value = KTRIAL_TRY(read_value<std::uint32_t>(kernel.memory, buffer + *order));
  if (value == 0) return {};
  return fail(ErrorKind::protocol,
              fmt::format("trace sub-buffers of 2^{} pages are not supported", value),
              "leave the kernel's buffer_subbuf_size_kb alone");
}

Result<std::uint64_t> global_buffer(const KernelView& kernel, Rings& out) {
  const std::uint64_t trace = KTRIAL_TRY(kernel.symbol("global_trace"));
  const std::uint64_t clock = KTRIAL_TRY(kernel.btf.offset("trace_array", "clock_id"));
  out.clock_id = KTRIAL_TRY(read_value<std::uint32_t>(kernel.memory, trace + clock));
  const std::uint64_t buffer =
      KTRIAL_TRY(kernel.pointer(trace, "trace_array", "array_buffer.buffer"));
  if (buffer == 0) return fail(ErrorKind::protocol, "this kernel has not set up its trace buffer");
  const std::uint64_t off = KTRIAL_TRY(kernel.btf.offset("trace_buffer", "record_disabled"));
  out.on = KTRIAL_TRY(read_value<std::uint32_t>(kernel.memory, buffer + off)) == 0;
  return buffer;
}

}  // namespace

std::uint64_t CpuRing::found() const {
  return static_cast<std::uint64_t>(std::ranges::count_if(
      events, [](const Event& event) { return !event.consumed && !event.uncommitted; }));
}

bool Rings::partial() const {
  return !trouble.empty() ||
         std::ranges::any_of(cpus, [](const CpuRing& ring) { return !ring.complete(); });
}

Result<Rings> read_rings(const KernelView& kernel) {
  const Layout layout = KTRIAL_TRY(layout_of(kernel.btf));
  Rings out;
  const std::uint64_t buffer = KTRIAL_TRY(global_buffer(kernel, out));
  KTRIAL_TRY(check_page_size(kernel, buffer));
  const std::uint64_t rings = KTRIAL_TRY(kernel.pointer(buffer, "trace_buffer", "buffers"));
  const unsigned count = KTRIAL_TRY(count_cpus(kernel, buffer, rings));
  Budget budget;
  for (unsigned cpu = 0; cpu < count; ++cpu) {
    const auto ring = read_value<std::uint64_t>(kernel.memory, rings + 8ull * cpu);
    if (!ring) {
      out.trouble = fmt::format("the rings from CPU {} on: {}", cpu, ring.error().message);
      break;
    }
    if (*ring == 0) continue;  // possible, but never there
    CpuRing one;
    one.cpu = cpu;
    // One broken ring is no reason to lose the others.
    auto read = RingReader(kernel, layout, *ring, budget, one).run();
    if (!read && one.trouble.empty()) one.trouble = read.error().message;
    out.cpus.push_back(std::move(one));
  }
  return out;
}

}  // namespace ktrial::trace
