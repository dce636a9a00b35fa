#include "harness/introspect/kernel.h"

#include <gmock/gmock.h>

#include <fstream>

#include "harness/base/file.h"
#include "harness/introspect/fake_kernel.h"
#include "harness/introspect/kallsyms.h"
#include "harness/introspect/symbol_cache.h"

namespace ktrial::introspect {

bool operator==(const Symbol& a, const Symbol& b) {
  return a.address == b.address && a.type == b.type && a.name == b.name && a.module == b.module;
}

namespace {

std::vector<Symbol> sample(std::uint64_t offset) {
  const std::uint64_t base = FakeKernel::kLinked + offset;
  return {{base, 'T', "_text", ""},
          {base + 0x1000, 't', "mm_get_cid", ""},
          {base + 0x2000, 'T', std::string(200, 'x'), ""},  // a length of two bytes
          {base + 0x3000, 'd', "mm_mm_x", ""}};
}

std::shared_ptr<FakeMemory> sample_memory(std::uint64_t offset, bool absolute, int levels = 5) {
  FakeKernel fake(offset, levels);
  auto symbols = sample(offset);
  if (absolute) symbols.insert(symbols.begin(), {0x1a000, 'A', "per_cpu_thing", ""});
  fake.add_kallsyms(symbols, absolute);
  return fake.finish();
}

TEST(KernelTest, BothEncodingsOfKallsymsAndBothDepthsOfTables) {
  for (const std::uint64_t offset : {0ull, 0x1b400000ull})
    for (const int levels : {4, 5}) {
      auto kernel = Kernel::open(sample_memory(offset, false, levels), {});
      ASSERT_TRUE(kernel) << kernel.error().message;
      EXPECT_FALSE((*kernel)->symbols_error());
      EXPECT_EQ((*kernel)->symbols().all(), sample(offset));
      EXPECT_EQ((*kernel)->info().kernel_offset(), offset);

      kernel = Kernel::open(sample_memory(offset, true, levels), {});
      ASSERT_TRUE(kernel) << kernel.error().message;
      // KASLR moves the image, not what is absolute.
      EXPECT_EQ((*kernel)->symbols().address("per_cpu_thing"), 0x1a000u);
      EXPECT_EQ((*kernel)->symbols().address("mm_get_cid"), FakeKernel::kLinked + offset + 0x1000);
    }
}

TEST(KernelTest, WithoutKallsymsTheRestIsThere) {
  auto kernel = Kernel::open(FakeKernel().finish(), {});
  ASSERT_TRUE(kernel);
  EXPECT_TRUE((*kernel)->symbols().all().empty());
  ASSERT_TRUE((*kernel)->symbols_error());
  EXPECT_NE((*kernel)->symbols_error()->message.find("SYMBOL(kallsyms_names)"), std::string::npos);
  EXPECT_FALSE((*kernel)->btf_bytes());
}

TEST(KernelTest, NoKernelInMemoryIsAnError) {
  EXPECT_FALSE(Kernel::open(std::make_shared<FakeMemory>(0, 1 << 20), {}));
}

TEST(KernelTest, BtfIsWhatLiesBetweenItsSymbols) {
  for (const std::uint64_t length : {6ull, 0ull, 1ull << 40}) {
    FakeKernel fake;
    const std::uint64_t begin = fake.add("\x9f\xeb wxyz");
    fake.add_kallsyms({{begin, 'D', "__start_BTF", ""}, {begin + length, 'D', "__stop_BTF", ""}},
                      false);
    auto kernel = Kernel::open(fake.finish(), {});
    ASSERT_TRUE(kernel);
    auto btf = (*kernel)->btf_bytes();
    EXPECT_EQ(btf.has_value(), length == 6);
    if (btf) {
      EXPECT_EQ(*btf, "\x9f\xeb wxy");
    }
  }
}

class SymbolCacheTest : public testing::Test {
 protected:
  std::filesystem::path file() const { return folder->path() / "cache" / "00ff.symbols"; }
  std::vector<Symbol> open(std::uint64_t offset) {
    auto kernel = Kernel::open(sample_memory(offset, true), folder->path() / "cache");
    EXPECT_TRUE(kernel);
    return kernel ? (*kernel)->symbols().all() : std::vector<Symbol>{};
  }
  Result<TempDir> folder = TempDir::create();
};

TEST_F(SymbolCacheTest, OneFileServesEveryBoot) {
  const auto first = open(0);
  ASSERT_TRUE(std::filesystem::exists(file()));
  const auto written = std::filesystem::last_write_time(file());
  auto expected = sample(0x1b400000);
  expected.insert(expected.begin(), {0x1a000, 'A', "per_cpu_thing", ""});
  EXPECT_EQ(open(0x1b400000), expected);
  EXPECT_EQ(std::filesystem::last_write_time(file()), written) << "written anew";
  EXPECT_EQ(open(0), first);
}

TEST_F(SymbolCacheTest, ABrokenFileIsIgnoredAndWrittenAnew) {
  const auto first = open(0);
  const std::string good = read_file(file()).value();
  std::vector<std::string> broken = {"", "x", good.substr(0, good.size() - 1), good + "x"};
  for (std::size_t at = 0; at < good.size(); at += 7) {
    broken.push_back(good);
    broken.back()[at] ^= 0x10;
  }
  for (const std::string& bytes : broken) {
    EXPECT_FALSE(unpack_symbols(bytes, 0));
    std::ofstream(file()) << bytes;
    EXPECT_EQ(open(0), first);
    EXPECT_EQ(read_file(file()).value_or(""), good);
  }
}

TEST_F(SymbolCacheTest, OneThatCannotBeWrittenIsDoneWithout) {
  std::ofstream(folder->path() / "cache") << "a file where the folder should be";
  EXPECT_EQ(open(0).size(), 5u);
}

TEST(KallsymsTest, BrokenTablesAreErrors) {
  std::vector<std::byte> names(64, std::byte{3}), tokens(16, std::byte{'a'});
  std::vector<std::uint16_t> index(256, 14);
  std::vector<std::uint32_t> offsets(4, 0);
  auto decode = [&] { return decode_kallsyms({names, tokens, index, offsets, 0}); };
  EXPECT_TRUE(decode());
  offsets.resize(17);
  EXPECT_FALSE(decode()) << "fewer names than symbols";
  offsets.resize(1);
  names[0] = std::byte{64};
  EXPECT_FALSE(decode()) << "a name past the end";
  names[0] = std::byte{0};
  EXPECT_FALSE(decode()) << "an empty name";
  names[0] = std::byte{3};
  index[3] = 16;
  EXPECT_FALSE(decode()) << "a token outside the table";
  index.resize(255);
  EXPECT_FALSE(decode());
}

}  // namespace
}  // namespace ktrial::introspect
