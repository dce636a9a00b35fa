// For tests and fuzzers: a kernel's memory made by hand, small enough to break
// byte by byte.
#pragma once

#include <map>
#include <memory>
#include <ostream>
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

inline void PrintTo(const Symbol& one, std::ostream* out) {
  *out << std::hex << one.address << ' ' << one.type << ' ' << one.name;
}

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

  // `told`: VMCOREINFO says where the tables are. `sequence`: with kallsyms_seqs_of_names, as
  // from 6.2 to 6.3.
  void add_kallsyms(const std::vector<Symbol>& symbols, KallsymsForm form, bool told = true,
                    bool sequence = false);
  // Writes `records` as printk would, into a ring of 2^count_bits records and
  // 2^data_bits bytes; what no longer fits at the end overwrites the oldest.
  void add_log(const std::vector<LogRecord>& records, unsigned count_bits, unsigned data_bits);
  void add_line(const std::string& line) { info_ += line + "\n"; }  // of VMCOREINFO

  // Writes the note; call last.
  std::shared_ptr<FakeMemory> finish();

  // Maps the image a second time, at `address` (of 2 MiB, in the upper 2 GiB): memory outside
  // of the image, as that of modules. Where `image_address` is there.
  void map_again(std::uint64_t address);
  std::uint64_t again(std::uint64_t image_address) const { return image_address - base_ + again_; }

  static std::string note(std::string_view text);  // VMCOREINFO as an ELF note

 private:
  std::uint64_t physical(std::uint64_t address) const {
    return address - (address - again_ < kSize ? again_ : base_) + kPhysical;
  }
  void make_page_tables(int levels);
  std::string offsets_of(const std::vector<Symbol>& symbols, KallsymsForm form,
                         std::uint64_t at) const;
  void symbol(const char* name, std::uint64_t address);

  std::uint64_t base_, next_;
  std::uint64_t upper_ = 0, lower_ = 0, again_ = 0;  // page tables of 1 GiB and 2 MiB entries
  std::shared_ptr<FakeMemory> memory_ = std::make_shared<FakeMemory>(kPhysical, kSize);
  std::string info_;
};

}  // namespace ktrial::introspect
