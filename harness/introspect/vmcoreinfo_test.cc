#include "harness/introspect/vmcoreinfo.h"

#include <gtest/gtest.h>

#include "harness/introspect/fake_kernel.h"

namespace ktrial::introspect {
namespace {

constexpr char kText[] =
    "OSRELEASE=6.1.0\nBUILD-ID=00ff12\nPAGESIZE=4096\nSYMBOL(prb)=ffffffff84e622c0\n"
    "OFFSET(list_head.prev)=8\nSIZE(page)=64\nLENGTH(free_area)=11\nNUMBER(phys_base)=-316669952\n"
    "NUMBER(odd)=0x1f\nSYMBOL(bad)=xyz\nno equals sign\n=no key\nKERNELOFFSET=1b400000\n";

TEST(VmCoreInfoTest, KeysOfEveryKind) {
  auto info = VmCoreInfo::parse(kText);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->release(), "6.1.0");
  EXPECT_EQ(info->build_id(), "00ff12");
  EXPECT_EQ(info->kernel_offset(), 0x1b400000u);
  EXPECT_EQ(info->text(), kText);
  EXPECT_EQ(info->symbol("prb").value_or(0), 0xffffffff84e622c0u);
  EXPECT_EQ(info->offset("list_head.prev").value_or(0), 8u);
  EXPECT_EQ(info->size("page").value_or(0), 64u);
  EXPECT_EQ(info->length("free_area").value_or(0), 11u);
  EXPECT_EQ(info->number("phys_base").value_or(0), 0 - std::uint64_t{316669952});
  EXPECT_EQ(info->number("odd").value_or(0), 0x1fu);
  EXPECT_FALSE(info->symbol("bad"));
  auto missing = info->offset("prb");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("OFFSET(prb)"), std::string::npos);
}

TEST(VmCoreInfoTest, WhatCannotBeOneIsRefused) {
  EXPECT_FALSE(VmCoreInfo::parse(""));
  EXPECT_FALSE(VmCoreInfo::parse("OSRELEASE=6\n"));
  EXPECT_FALSE(VmCoreInfo::parse("OSRELEASE=6\nPAGESIZE=65536\n"));
  EXPECT_FALSE(VmCoreInfo::parse("OSRELEASE=6\nPAGESIZE=4096\nKERNELOFFSET=?\n"));
  // A build id names a file: nothing but hex digits will do.
  auto info = VmCoreInfo::parse("OSRELEASE=6\nPAGESIZE=4096\nBUILD-ID=../../x\n");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->build_id(), "");
}

class FindVmCoreInfoTest : public testing::Test {
 protected:
  Result<VmCoreInfo> find(std::string_view wanted = "6.1.0") {
    return find_vmcoreinfo(memory, [&](const VmCoreInfo& info) {
      ++asked;
      return info.release() == wanted;
    });
  }
  FakeMemory memory{0x100000, 4 << 20};
  int asked = 0;
};

TEST_F(FindVmCoreInfoTest, TheNoteMayLieAnywhere) {
  // Blocks are read a MiB at a time: across the edge, at either end of RAM.
  const std::string note = FakeKernel::note(kText);
  for (const std::uint64_t at :
       {0x100000ull, 0x200000ull - 15, 0x200000ull - 12, 0x2fffffull, 0x500000ull - note.size()}) {
    memory = FakeMemory(0x100000, 4 << 20);
    memory.put(at, note);
    auto info = find();
    ASSERT_TRUE(info) << std::hex << at;
    EXPECT_EQ(info->text(), kText);
  }
}

TEST_F(FindVmCoreInfoTest, LookAlikesArePassedOver) {
  const std::string note = FakeKernel::note(kText);
  memory.put(0x110000, "VMCOREINFO");
  memory.put(0x120000, std::string("VMCOREINFO\0", 11));  // a name without a header
  std::string long_one = note;
  long_one[6] = 0x7f;  // far too long
  memory.put(0x130000, long_one);
  memory.put(0x140000, FakeKernel::note("OSRELEASE=5.0\nPAGESIZE=4096\n"));
  memory.put(0x150000, note);
  EXPECT_TRUE(find());
  EXPECT_EQ(asked, 2);
  EXPECT_FALSE(find("6.19"));
  // A note cut off by the end of RAM.
  memory.put(0x500000 - 30, note.substr(0, 30));
  EXPECT_TRUE(find());
}

TEST_F(FindVmCoreInfoTest, NoneIsAnErrorThatSaysWhatToDo) {
  auto none = find();
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().hint.find("CONFIG_VMCORE_INFO"), std::string::npos);
}

TEST_F(FindVmCoreInfoTest, MemoryFullOfNotesEnds) {
  const std::string note = FakeKernel::note("OSRELEASE=5\nPAGESIZE=4096\n");
  for (std::uint64_t at = 0x100000; at < 0x500000; at += 64) memory.put(at, note);
  EXPECT_FALSE(find());
  EXPECT_LE(asked, 64);
}

}  // namespace
}  // namespace ktrial::introspect
