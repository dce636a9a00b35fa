#include "harness/introspect/x86_64/page_tables.h"

#include <gtest/gtest.h>

#include "harness/introspect/fake_kernel.h"
#include "harness/introspect/vmcoreinfo.h"

namespace ktrial::introspect::x86_64 {
namespace {

constexpr std::uint64_t kPresent = 1, kLarge = 0x80, kNoExecute = 1ull << 63;

// Tables in RAM from 0 on: the root at 0x1000, then one page after the other.
struct TablesInRam {
  std::shared_ptr<FakeMemory> memory = std::make_shared<FakeMemory>(0, 64 << 10);
  int levels;
  std::uint64_t next = 0x2000;
  explicit TablesInRam(int count) : levels(count) {}

  // Maps `address` by an entry of `level`, with tables in between.
  void map(std::uint64_t address, std::uint64_t entry, int level) {
    std::uint64_t table = 0x1000;
    for (int at = levels; at > level; --at) {
      const std::uint64_t slot = table + (address >> (12 + 9 * (at - 1)) & 511) * 8;
      std::uint64_t below = 0;
      EXPECT_TRUE(memory->read(slot, std::as_writable_bytes(std::span(&below, 1))));
      if (below == 0) memory->put_word(slot, (below = std::exchange(next, next + 0x1000)) | 0x63);
      table = below & ~0xfffull;
    }
    memory->put_word(table + (address >> (12 + 9 * (level - 1)) & 511) * 8, entry);
  }
  Tables open() const { return Tables(memory, 0x1000, levels); }
};

class PageTablesTest : public testing::TestWithParam<int> {};

TEST_P(PageTablesTest, WalksEverySizeOfPage) {
  TablesInRam tables(GetParam());
  const std::uint64_t base = GetParam() == 5 ? 0xff11000000000000 : 0xffff888000000000;
  tables.map(base, 0x7000 | kPresent | kNoExecute, 1);
  tables.map(base + 0x200000, 0x40000000 | kPresent | kLarge, 2);
  // Bit 12 of a large page's entry is its PAT bit, no part of the address.
  tables.map(base + 0x40000000, 0x80001000 | kPresent | kLarge, 3);
  const Tables walk = tables.open();
  auto small = walk.translate(base + 0x123);
  ASSERT_TRUE(small) << small.error().message;
  EXPECT_EQ(small->physical, 0x7123u);
  EXPECT_EQ(small->bytes, 0x1000u - 0x123);
  auto large = walk.translate(base + 0x2fffff);
  ASSERT_TRUE(large) << large.error().message;
  EXPECT_EQ(large->physical, 0x400fffffu);
  EXPECT_EQ(large->bytes, 0x100001u);
  auto huge = walk.translate(base + 0x40000000 + 0x12345678);
  ASSERT_TRUE(huge) << huge.error().message;
  EXPECT_EQ(huge->physical, 0x80000000u + 0x12345678);
  EXPECT_FALSE(walk.translate(base + 0x1000)) << "not present";
  EXPECT_FALSE(walk.translate(base + 0x80000000)) << "not present, higher up";
}

TEST_P(PageTablesTest, OnlyKernelAddressesAreTranslated) {
  TablesInRam tables(GetParam());
  tables.map(0x400000, 0x7000 | kPresent, 1);
  const Tables walk = tables.open();
  EXPECT_FALSE(walk.translate(0x400000));
  EXPECT_FALSE(walk.translate(0x8000000000000000));
  EXPECT_FALSE(walk.translate(0xf0ffffffffffffff));
}

TEST_P(PageTablesTest, TablesOutsideRamOrInALoopEnd) {
  TablesInRam tables(GetParam());
  const std::uint64_t address = 0xffffffff80000000;
  tables.map(address, 0x123456789000 | kPresent, 3);  // a table where no RAM is
  EXPECT_FALSE(tables.open().translate(address));
  TablesInRam looped(GetParam());
  for (std::uint64_t i = 0; i < 512; ++i)
    looped.memory->put_word(0x1000 + i * 8, 0x1000 | kPresent);
  auto place = looped.open().translate(address);
  ASSERT_TRUE(place) << "a table that is its own page";
  EXPECT_EQ(place->physical, 0x1000u);
  TablesInRam large(GetParam());
  large.map(address, 0x1000 | kPresent | kLarge, 4);  // there are no pages of 512 GiB
  EXPECT_FALSE(large.open().translate(address));
}

TEST_P(PageTablesTest, ReadsAcrossPagesThatLieApart) {
  TablesInRam tables(GetParam());
  const std::uint64_t base = 0xffffffff81000000;
  tables.map(base, 0xa000 | kPresent, 1);
  tables.map(base + 0x1000, 0x9000 | kPresent, 1);
  tables.memory->put(0xaffe, "ab");
  tables.memory->put(0x9000, "cd");
  const Tables walk = tables.open();
  std::string text(4, '?');
  ASSERT_TRUE(walk.read(base + 0xffe, std::as_writable_bytes(std::span(text))));
  EXPECT_EQ(text, "abcd");
  EXPECT_FALSE(walk.read(base + 0x1ffe, std::as_writable_bytes(std::span(text))));
  EXPECT_EQ(read_string(walk, base + 0xffe, 4096).value_or("error"), "abcd");
}

INSTANTIATE_TEST_SUITE_P(Levels, PageTablesTest, testing::Values(4, 5),
                         [](const auto& levels) { return std::to_string(levels.param); });

TEST(KernelPageTablesTest, AreBelievedOnlyIfTheyMapThemselves) {
  auto info = [](const char* number) {
    return *VmCoreInfo::parse(std::string("OSRELEASE=6\nPAGESIZE=4096\n") +
                              "SYMBOL(swapper_pg_dir)=ffffffff81000000\nNUMBER(phys_base)=" +
                              number + "\nNUMBER(pgtable_l5_enabled)=1\n");
  };
  const auto memory = FakeKernel().finish();
  EXPECT_TRUE(Tables::of_kernel(memory, info("0")));
  EXPECT_FALSE(Tables::of_kernel(memory, info("4096")));
  EXPECT_FALSE(Tables::of_kernel(memory, info("-16777216")));
  EXPECT_FALSE(Tables::of_kernel(memory, info("none")));
}

}  // namespace
}  // namespace ktrial::introspect::x86_64
