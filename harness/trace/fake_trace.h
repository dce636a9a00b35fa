// For tests and fuzzers: a kernel's trace rings and event formats made by hand, small
// enough to break byte by byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/introspect/kernel_view.h"

namespace ktrial::trace {

// A page of the ring, record by record.
class PageBuilder {
 public:
  explicit PageBuilder(std::uint64_t ns) : ns_(ns) {}
  PageBuilder& data(std::uint32_t delta, const std::string& bytes);
  PageBuilder& long_data(std::uint32_t delta, const std::string& bytes);
  // A record of type_len 29 (padding), 30 (time extend) or 31 (absolute stamp).
  PageBuilder& control(std::uint32_t type, std::uint32_t delta, std::uint32_t more);
  PageBuilder& word(std::uint32_t value);
  PageBuilder& raw(const std::string& bytes);
  std::uint32_t size() const { return static_cast<std::uint32_t>(data_.size()); }
  // `commit`: -1 for all of it. `flags` go into the commit field, too.
  std::vector<std::byte> bytes(std::int64_t commit = -1, std::uint64_t flags = 0) const;

 private:
  std::uint64_t ns_;
  std::string data_;
};

struct FakeRing {
  unsigned cpu = 0;
  std::vector<PageBuilder> pages;     // in list order
  std::optional<PageBuilder> reader;  // else an empty one
  std::size_t oldest = 0, tail = 0;   // indices into pages
  bool reader_is_tail = false;        // nothing in the ring itself
  std::uint32_t consumed = 0;         // bytes of the reader's page
  std::int64_t commit = -1;           // of the tail's page; -1: all of it
  std::uint64_t entries = 0, overrun = 0, read = 0;
};

// Events 10 sched_switch and 11 sched_process_fork, as of 6.1, and two CPUs. Rings are
// added one by one; then view() is what read_trace() takes.
class FakeTrace final : public introspect::AddressSpace {
 public:
  static constexpr std::uint64_t kBase = 0xffff888000000000;
  static constexpr std::size_t kSize = 128u << 10;
  static constexpr std::uint16_t kSwitch = 10, kFork = 11;

  // `tells_cpus`: trace_buffer has the count of CPUs, unlike in 6.12.
  explicit FakeTrace(bool tells_cpus = true);

  static std::string switch_event(int from, char state, int to);
  static std::string fork_event(int parent, int child);

  // The address of its ring_buffer_per_cpu; the nodes of the list go into `nodes`.
  static constexpr std::uint64_t kTailPage = 16;  // offset of its pointer to the tail
  std::uint64_t add_ring(const FakeRing& ring);

  Status read(std::uint64_t address, std::span<std::byte> out) const override;
  introspect::KernelView view() const { return {*this, symbols, *btf}; }
  std::uint64_t reserve(std::size_t size);
  void put(std::uint64_t address, std::string_view content);
  void put32(std::uint64_t address, std::uint32_t value);
  void put64(std::uint64_t address, std::uint64_t value);

  std::vector<std::byte> memory = std::vector<std::byte>(kSize);
  std::string btf_bytes;
  std::optional<introspect::Btf> btf;
  introspect::SymbolTable symbols;
  std::vector<std::uint64_t> nodes;     // of the ring that was added last
  std::uint64_t buffer = 0, rings = 0;  // trace_buffer, and its array of rings
  std::uint64_t switch_call = 0;        // trace_event_call of sched_switch

 private:
  struct FieldSpec {
    const char *type, *name;
    std::uint32_t offset, size, is_signed, length;
  };
  void add_types(bool tells_cpus);
  std::uint64_t text(std::string_view content);
  void add_fields(std::uint64_t head, const std::vector<FieldSpec>& fields);
  std::uint64_t add_event(std::uint16_t id, const char* name, const char* print,
                          const std::vector<FieldSpec>& fields);
  void link(std::uint64_t head, const std::vector<std::uint64_t>& members);
  std::uint64_t add_page(const PageBuilder& page, std::int64_t commit, std::uint32_t read);

  std::uint64_t next_ = kBase + 64;
};

}  // namespace ktrial::trace
