#include "harness/introspect/kernel.h"

#include <gmock/gmock.h>

#include <fstream>

#include "harness/base/file.h"
#include "harness/introspect/fake_kernel.h"
#include "harness/introspect/kallsyms.h"
#include "harness/introspect/symbol_cache.h"

namespace ktrial::introspect {
namespace {

std::vector<Symbol> sample(std::uint64_t offset) {
  const std::uint64_t base = FakeKernel::kLinked + offset;
  return {{base, 'T', "_text", ""},
          {base + 0x1000, 't', "mm_get_cid", ""},
          {base + 0x2000, 'T', std::string(200, 'x'), ""},  // a length of two bytes
          {base + 0x3000, 'd', "mm_mm_x", ""}};
}

using enum KallsymsForm;

std::vector<Symbol> sample(std::uint64_t offset, KallsymsForm form) {
  auto symbols = sample(offset);
  if (form == absolute_per_cpu)
    symbols.insert(symbols.begin(), {0x1a000, 'A', "per_cpu_thing", ""});
  return symbols;
}

std::shared_ptr<FakeMemory> sample_memory(std::uint64_t offset, KallsymsForm form, int levels = 5) {
  FakeKernel fake(offset, levels);
  fake.add_kallsyms(sample(offset, form), form);
  return fake.finish();
}

TEST(KernelTest, AllEncodingsOfKallsymsAndBothDepthsOfTables) {
  for (const std::uint64_t offset : {0ull, 0x1b400000ull})
    for (const int levels : {4, 5}) {
      for (const KallsymsForm form : {base_relative, place_relative}) {
        auto kernel = Kernel::open(sample_memory(offset, form, levels), {});
        ASSERT_TRUE(kernel) << kernel.error().message;
        EXPECT_FALSE((*kernel)->symbols_error()) << (*kernel)->symbols_error()->message;
        EXPECT_EQ((*kernel)->symbols().all(), sample(offset));
        EXPECT_EQ((*kernel)->info().kernel_offset(), offset);
      }
      auto kernel = Kernel::open(sample_memory(offset, absolute_per_cpu, levels), {});
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
  EXPECT_NE((*kernel)->symbols_error()->message.find("kallsyms_token_table"), std::string::npos);
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
                      KallsymsForm::base_relative);
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
    auto kernel = Kernel::open(sample_memory(offset, absolute_per_cpu), folder->path() / "cache");
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
  auto decode = [&] { return decode_kallsyms({names, tokens, index, offsets}, {}); };
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

// The names "ta", "tb", ... and offsets of one's own.
struct Letters {
  explicit Letters(std::vector<std::uint32_t> numbers) : offsets(std::move(numbers)) {
    for (std::size_t i = 0; i < 256; ++i) {
      index.push_back(static_cast<std::uint16_t>(2 * i));
      tokens.push_back(static_cast<std::byte>(i));
      tokens.push_back(std::byte{0});
    }
    for (std::size_t i = 0; i < offsets.size(); ++i)
      for (const char c : {'\2', 't', static_cast<char>('a' + i)})
        names.push_back(static_cast<std::byte>(c));
  }
  Result<std::vector<Symbol>> decode(std::optional<std::uint64_t> base,
                                     const std::vector<Symbol>& known) const {
    return decode_kallsyms({names, tokens, index, offsets, kAt, base}, known);
  }
  static constexpr std::uint64_t kAt = 0xffffffff82000000;
  std::vector<std::byte> names, tokens;
  std::vector<std::uint16_t> index;
  std::vector<std::uint32_t> offsets;
};

TEST(KallsymsTest, WhatIsKnownTellsTheEncodingAndElseTheOrder) {
  constexpr std::uint64_t kBase = 0xffffffff81000000;
  // Two symbols at one place: counted from their places, the second offset is smaller.
  const Letters aliases({0xff000000, 0xff000ffc, 0xff000ff8});
  const auto placed = aliases.decode(kBase, {});
  ASSERT_TRUE(placed) << placed.error().message;
  EXPECT_EQ((*placed)[1].address, kBase + 0x1000);
  EXPECT_EQ((*placed)[2].address, kBase + 0x1000);

  // Any of two encodings is in order: one known symbol decides.
  const Letters open({0, 0x1000, 0x2000});
  const auto based = open.decode(kBase, {{.address = kBase + 0x1000, .name = "b"}});
  ASSERT_TRUE(based) << based.error().message;
  EXPECT_EQ((*based)[2].address, kBase + 0x2000);
  const auto absolute = open.decode(kBase, {{.address = 0x1000, .name = "b"}});
  ASSERT_TRUE(absolute);
  EXPECT_EQ((*absolute)[2].address, 0x2000u);
  const auto relative = open.decode(kBase, {{.address = Letters::kAt + 0x1004, .name = "b"}});
  ASSERT_TRUE(relative);
  EXPECT_EQ((*relative)[2].address, Letters::kAt + 0x2008);
}

TEST(KallsymsTest, OffsetsOfNoKnownEncodingAreAnError) {
  const auto wild = Letters({0x5000, 0x80, 0x90000000, 0x40, 0x20}).decode(std::nullopt, {});
  ASSERT_FALSE(wild);
  EXPECT_NE(wild.error().message.find("out of order"), std::string::npos) << wild.error().message;
  const auto wrong = Letters({0, 0x1000}).decode(std::nullopt, {{.address = 5, .name = "b"}});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("known symbols"), std::string::npos);
}

}  // namespace
}  // namespace ktrial::introspect
