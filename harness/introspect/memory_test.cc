#include "harness/introspect/memory.h"

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "harness/base/file.h"

namespace ktrial::introspect {
namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

// A sparse file of `bytes`, with `text` at some offsets.
Fd sparse_file(std::uint64_t bytes, const std::vector<std::uint64_t>& at = {}) {
  Fd file(::memfd_create("ram", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(bytes)), 0);
  for (const std::uint64_t offset : at)
    EXPECT_EQ(::pwrite(file.get(), "data", 4, static_cast<off_t>(offset)), 4);
  return file;
}

std::string read_text(const RamFile& ram, std::uint64_t address) {
  std::string out(4, '?');
  if (!ram.read(address, std::as_writable_bytes(std::span(out)))) return "error";
  return out;
}

TEST(RamFileTest, RamOfOnePartIsTheFile) {
  auto ram = RamFile::open(sparse_file(kGiB, {0x5000}), kGiB, *arch::native().machine("q35"));
  ASSERT_TRUE(ram);
  EXPECT_THAT((*ram)->ram_ranges(), testing::ElementsAre(Range{0, kGiB}));
  EXPECT_THAT((*ram)->data_ranges(), testing::ElementsAre(Range{0x5000, 0x6000}));
  EXPECT_EQ(read_text(**ram, 0x5000), "data");
  EXPECT_EQ(read_text(**ram, 0x7000), std::string(4, '\0'));
  EXPECT_EQ(read_text(**ram, kGiB - 4), std::string(4, '\0'));
  EXPECT_EQ(read_text(**ram, kGiB - 3), "error") << "past the end";
  EXPECT_EQ(read_text(**ram, ~0ull), "error");
}

TEST(RamFileTest, MachinesSplitTheirRamBelowFourGiB) {
  // q35 leaves out 2 to 4 GiB as soon as RAM would reach 2816 MiB.
  auto small = RamFile::open(sparse_file(kGiB * 11 / 4 - 4096), kGiB * 11 / 4 - 4096,
                             *arch::native().machine("q35"));
  ASSERT_TRUE(small);
  EXPECT_EQ((*small)->ram_ranges().size(), 1u);
  auto q35 = RamFile::open(sparse_file(5 * kGiB, {2 * kGiB - 4096, 2 * kGiB}), 5 * kGiB,
                           *arch::native().machine("q35"));
  ASSERT_TRUE(q35);
  EXPECT_THAT((*q35)->ram_ranges(),
              testing::ElementsAre(Range{0, 2 * kGiB}, Range{4 * kGiB, 7 * kGiB}));
  // One stretch of the file, two of memory.
  EXPECT_THAT((*q35)->data_ranges(), testing::ElementsAre(Range{2 * kGiB - 4096, 2 * kGiB},
                                                          Range{4 * kGiB, 4 * kGiB + 4096}));
  EXPECT_EQ(read_text(**q35, 4 * kGiB), "data");
  EXPECT_EQ(read_text(**q35, 2 * kGiB), "error") << "the PCI hole";
  EXPECT_EQ(read_text(**q35, 2 * kGiB - 2), "error") << "across its edge";

  auto microvm = RamFile::open(sparse_file(5 * kGiB, {3 * kGiB}), 5 * kGiB,
                               *arch::native().machine("microvm"));
  ASSERT_TRUE(microvm);
  EXPECT_THAT((*microvm)->ram_ranges(),
              testing::ElementsAre(Range{0, 3 * kGiB}, Range{4 * kGiB, 6 * kGiB}));
  EXPECT_EQ(read_text(**microvm, 4 * kGiB), "data");
}

TEST(RamFileTest, ReadingHolesFillsNone) {
  Fd file = sparse_file(kGiB, {0x5000});
  struct stat before, after;
  Fd same(::dup(file.get()));
  ASSERT_EQ(::fstat(same.get(), &before), 0);
  auto ram = RamFile::open(std::move(file), kGiB, *arch::native().machine("q35"));
  ASSERT_TRUE(ram);
  std::vector<std::byte> block(1 << 20);
  for (std::uint64_t at = 0; at < 64ull << 20; at += block.size())
    ASSERT_TRUE((*ram)->read(at, block));
  (*ram)->data_ranges();
  ASSERT_EQ(::fstat(same.get(), &after), 0);
  EXPECT_EQ(before.st_blocks, after.st_blocks);
}

TEST(RamFileTest, AFileTooShortIsAnError) {
  EXPECT_FALSE(RamFile::open(sparse_file(kGiB - 1), kGiB, *arch::native().machine("q35")));
  EXPECT_FALSE(RamFile::open(Fd(), kGiB, *arch::native().machine("q35")));
}

}  // namespace
}  // namespace ktrial::introspect
