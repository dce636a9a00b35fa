// For tests and fuzzers: a kernel's memory made by hand, small enough to break
// byte by byte.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/introspect/log.h"
#include "harness/introspect/memory.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

// One piece of RAM.
class FakeMemory final : public PhysicalMemory {
 public:
  explicit FakeMemory(std::uint64_t begin, std::size_t size) : begin_(begin), bytes_(size) {}
  Status read(std::uint64_t address, std::span<std::byte> out) const override;
  std::vector<Range> ram_ranges() const override { return {{begin_, begin_ + bytes_.size()}}; }
  std::vector<Range> data_ranges() const override { return ram_ranges(); }
  std::vector<std::byte>& bytes() { return bytes_; }
  void put(std::uint64_t address, std::string_view content);
  void put_word(std::uint64_t address, std::uint64_t value);

 private:
  std::uint64_t begin_;
  std::vector<std::byte> bytes_;
};

enum class KallsymsForm { base_relative, absolute_per_cpu, place_relative };

// Builds an image at kLinked + offset, with page tables that map it.
class FakeKernel {
 public:
  static constexpr std::uint64_t kLinked = 0xffffffff81000000;
  static constexpr std::uint64_t kPhysical = 0x1000000;
  static constexpr std::size_t kSize = 256u << 10;

  explicit FakeKernel(std::uint64_t kaslr_offset = 0, int levels = 5);

  // Space in the image, zeroed; the virtual address.
  std::uint64_t reserve(std::size_t size, std::size_t alignment = 8);
  std::uint64_t add(std::string_view content, std::size_t alignment = 8);
  void put(std::uint64_t address, std::string_view content);
  void put_word(std::uint64_t address, std::uint64_t value);

  // `told`: VMCOREINFO says where the tables are.
  void add_kallsyms(const std::vector<Symbol>& symbols, KallsymsForm form, bool told = true);
  // Writes `records` as printk would, into a ring of 2^count_bits records and
  // 2^data_bits bytes; what no longer fits at the end overwrites the oldest.
  void add_log(const std::vector<LogRecord>& records, unsigned count_bits, unsigned data_bits);
  void add_line(const std::string& line) { info_ += line + "\n"; }  // of VMCOREINFO

  // Writes the note; call last.
  std::shared_ptr<FakeMemory> finish();

  static std::string note(std::string_view text);  // VMCOREINFO as an ELF note

 private:
  std::uint64_t physical(std::uint64_t address) const { return address - base_ + kPhysical; }
  void make_page_tables(int levels);
  std::string offsets_of(const std::vector<Symbol>& symbols, KallsymsForm form,
                         std::uint64_t at) const;
  void symbol(const char* name, std::uint64_t address);

  std::uint64_t base_, next_;
  std::shared_ptr<FakeMemory> memory_ = std::make_shared<FakeMemory>(kPhysical, kSize);
  std::string info_;
};

}  // namespace ktrial::introspect
