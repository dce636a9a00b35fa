// What is found in RAM where the kernel does not tell.
#include <gmock/gmock.h>

#include "harness/introspect/fake_hidden.h"
#include "harness/introspect/kernel.h"

namespace ktrial::introspect {
namespace {

using enum KallsymsForm;
using testing::HasSubstr;

std::vector<Symbol> sample(std::uint64_t offset, KallsymsForm form, std::size_t more) {
  const std::uint64_t base = FakeKernel::kLinked + offset;
  std::vector<Symbol> out = {{base, 'T', "_text", ""},
                             {base + 0x1000, 't', "mm_get_cid", ""},
                             {base + 0x2000, 'T', std::string(200, 'x'), ""},
                             {base + 0x3000, 'd', "mm_mm_x", ""}};
  if (form == absolute_per_cpu) out.insert(out.begin(), {0x1a000, 'A', "per_cpu_thing", ""});
  for (std::size_t i = 0; i < more; ++i)
    out.push_back({out.back().address + 16, 't', "mm_" + std::to_string(i), ""});
  return out;
}

// The kernel of `fake`, whose tables nobody tells of.
Result<std::unique_ptr<Kernel>> open_untold(FakeKernel& fake, const std::vector<Symbol>& symbols,
                                            KallsymsForm form, bool sequence) {
  fake.add_kallsyms(symbols, form, false, sequence);
  // All that VMCOREINFO says. Of two encodings that are in order it chooses.
  fake.add_line("SYMBOL(mm_get_cid)=ffffffff82001000");
  return Kernel::open(fake.finish(), {});
}

TEST(KallsymsSearchTest, TablesThatNobodyTellsOfAreFoundByTheirShape) {
  for (const KallsymsForm form : {absolute_per_cpu, base_relative, place_relative})
    for (const std::size_t more : {0u, 700u}) {  // one marker, and several
      FakeKernel fake(0x1000000);
      fake.reserve(more == 0 ? 100 : 5000);
      const auto symbols = sample(0x1000000, form, more);
      const auto kernel = open_untold(fake, symbols, form, false);
      ASSERT_TRUE(kernel) << kernel.error().message;
      ASSERT_FALSE((*kernel)->symbols_error()) << (*kernel)->symbols_error()->message;
      EXPECT_EQ((*kernel)->symbols().all(), symbols) << more;
    }
}

// From 6.2 to 6.3, and where that was ported to: three bytes a name between markers and tokens.
TEST(KallsymsSearchTest, SequenceNumbersMayStandBetween) {
  for (const std::size_t more : {300u, 700u, 1500u}) {
    FakeKernel fake(0x1000000);
    fake.reserve(100 + more);
    const auto symbols = sample(0x1000000, absolute_per_cpu, more);
    const auto kernel = open_untold(fake, symbols, absolute_per_cpu, true);
    ASSERT_TRUE(kernel) << kernel.error().message;
    ASSERT_FALSE((*kernel)->symbols_error()) << (*kernel)->symbols_error()->message;
    EXPECT_EQ((*kernel)->symbols().all(), symbols) << more;
  }
}

TEST(KallsymsSearchTest, NamesThatAreNotWhereTheirMarkersSayAreNone) {
  FakeKernel fake(0x1000000);
  auto symbols = sample(0x1000000, absolute_per_cpu, 700);
  const std::uint64_t before = fake.reserve(8);
  fake.add_kallsyms(symbols, absolute_per_cpu, false);
  // The length of the first name, behind the offsets, relative_base and num_syms.
  fake.put(before + 8 + (4 * symbols.size() + 7) / 8 * 8 + 16, "\x7f");
  const auto kernel = Kernel::open(fake.finish(), {});
  ASSERT_TRUE(kernel) << kernel.error().message;
  ASSERT_TRUE((*kernel)->symbols_error());
  EXPECT_THAT((*kernel)->symbols_error()->message, HasSubstr("kallsyms_names"));
}

// What of the hidden data is found where it is.
std::vector<Symbol> found_in(FakeHidden& hidden) {
  hidden.kernel.add_kallsyms(hidden.functions, base_relative);
  const auto kernel = Kernel::open(hidden.kernel.finish(), {});
  EXPECT_TRUE(kernel) << kernel.error().message;
  if (!kernel) return {};
  EXPECT_FALSE((*kernel)->symbols_error());
  std::vector<Symbol> out = hidden.data;
  std::erase_if(out, [&](const Symbol& one) {
    return (*kernel)->symbols().address(one.name) != one.address;
  });
  return out;
}

// As Debian's 6.1.
TEST(HiddenSymbolsTest, DataThatHaveNoSymbolsAreFoundByTheirShape) {
  for (const std::uint64_t modules : {FakeHidden::kModules, FakeHidden::kLowModules}) {
    FakeHidden hidden(modules);
    EXPECT_EQ(found_in(hidden), hidden.data) << std::hex << modules;
  }
}

TEST(HiddenSymbolsTest, WhatHasNotItsShapeIsNotFound) {
  struct Damage {
    const char* to;    // this symbol's place
    std::uint64_t at;  // counted from there
    std::vector<const char*> lost;
  };
  const Damage damages[] = {
      {"__start_BTF",
       0,
       {"__start_BTF", "__stop_BTF", "init_task", "modules", "global_trace", "ftrace_events"}},
      {"__start_orc_unwind_ip",
       3600,  // what is left on either side is too short
       {"__start_orc_unwind_ip", "__stop_orc_unwind_ip", "__start_orc_unwind"}},
      {"init_task", 8, {"init_task"}},
      {"modules", 8, {"modules"}},
      {"global_trace", 16, {"global_trace", "ftrace_events"}},
  };
  for (const Damage& damage : damages) {
    FakeHidden hidden;
    std::vector<Symbol> left;
    for (const Symbol& one : hidden.data) {
      if (one.name == damage.to) hidden.kernel.put(one.address + damage.at, std::string(8, '\0'));
      if (std::ranges::find(damage.lost, one.name) == damage.lost.end()) left.push_back(one);
    }
    EXPECT_EQ(found_in(hidden), left) << damage.to;
  }
}

}  // namespace
}  // namespace ktrial::introspect
