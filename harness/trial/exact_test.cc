#include "harness/trial/exact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/base/file.h"

namespace ktrial::trial {
namespace {
using ::testing::HasSubstr;
using ::testing::StartsWith;

results::Determinism some_state() {
  return {.seed = 1,
          .shift = 4,
          .argv = {"-icount", "shift=4", "-seed", "1"},
          .qemu_version = "7.2.22",
          .qemu_sha256 = "q",
          .kernel_sha256 = "k",
          .initramfs_sha256 = "i",
          .held = "count",
          .not_held = "",
          .instructions = 100,
          .by_cpu = {60, 40},
          .console_bytes = 12,
          .console_sha256 = "c",
          .registers_sha256 = "r",
          .ram_sha256 = "m"};
}

TEST(ExactTest, OldKernelsOfManyCpusNeedANewerQemu) {
  EXPECT_THAT(why_cpus_starve("6.1.0-57-cloud-amd64", "7.2.22", 4), StartsWith("Linux 6.1.0-57"));
  EXPECT_THAT(why_cpus_starve("6.4.0", "8.0.5", 2), HasSubstr("QEMU 8.0.5"));
  EXPECT_EQ(why_cpus_starve("6.1.0-57-cloud-amd64", "7.2.22", 1), "");
  EXPECT_EQ(why_cpus_starve("6.5.0-rc1", "7.2.22", 4), "");
  EXPECT_EQ(why_cpus_starve("6.12.117+deb12-cloud-amd64", "7.2.22", 4), "");
  EXPECT_EQ(why_cpus_starve("6.1.0", "10.0.13", 4), "");
  EXPECT_EQ(why_cpus_starve("unknown", "7.2.22", 4), "");
}

class PartingTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b"}) {
      std::filesystem::create_directory(dir.path() / name);
      write(name, "console.log", "one\ntwo\nthree\n");
      write(name, "registers.txt", "PC=1\nSP=2\n");
    }
  }
  void write(const char* side, const char* file, const std::string& text) {
    ASSERT_TRUE(write_file_atomically(dir.path() / side / file, text));
  }
  std::string parting() { return first_parting({a, dir.path() / "a"}, {b, dir.path() / "b"}); }

  TempDir dir = *TempDir::create();
  results::Determinism a = some_state(), b = some_state();
};

TEST_F(PartingTest, EqualRunsDoNotPart) { EXPECT_EQ(parting(), ""); }

// No digest may be passed over: whatever differs is told, and the first cause before its effects.
TEST_F(PartingTest, NamesWhatDiffersFirst) {
  b.ram_sha256 = "x";
  EXPECT_THAT(parting(), StartsWith("RAM: "));
  b.registers_sha256 = "x";
  write("b", "registers.txt", "PC=1\nSP=3\n");
  EXPECT_EQ(parting(), "registers, line 2: 'SP=2' / 'SP=3'");
  std::filesystem::remove(dir.path() / "a" / "registers.txt");
  EXPECT_EQ(parting(), "registers (SHA-256): r / x") << "one file was lost, on a full disk";
  b.by_cpu = {61, 39};
  EXPECT_EQ(parting(), "instructions of vCPU 0: 60 / 61");
  b.instructions = 101;
  EXPECT_EQ(parting(), "instructions: 100 / 101");
  b.console_sha256 = "x";
  EXPECT_THAT(parting(), StartsWith("console, bytes"));
  b.held = "end";
  EXPECT_EQ(parting(), "where the machine was held: count / end");
  write("b", "console.log", "one\nTWO\nthree\n");
  EXPECT_EQ(parting(), "console, line 2: 'two' / 'TWO'");
  b.argv.back() = "2";
  EXPECT_EQ(parting(), "QEMU's command line: 1 / 2");
  b.qemu_sha256 = "x";
  EXPECT_THAT(parting(), StartsWith("QEMU: 7.2.22 q"));
  b.initramfs_sha256 = "x";
  EXPECT_THAT(parting(), StartsWith("initramfs: "));
  b.kernel_sha256 = "x";
  EXPECT_THAT(parting(), StartsWith("kernel: "));
}

// A bundle's log has x's where a host's name stood.
TEST_F(PartingTest, ALogWithBlottedWordsIsComparedByItsDigest) {
  write("a", "console.log", "one\nxxx\nthree\n");
  EXPECT_EQ(parting(), "");
  b.console_sha256 = "x";
  EXPECT_EQ(parting(), "console, line 2: 'xxx' / 'two'");
}

// After a panic QEMU ends by itself, where nobody holds it: what there is of it is compared.
TEST_F(PartingTest, OneThatEndedByItselfIsComparedByItsConsole) {
  a.held = "";
  a.console_bytes = 14;
  b.instructions = 90;
  EXPECT_EQ(parting(), "");
  write("b", "console.log", "one\ntwX\n");
  EXPECT_THAT(parting(), HasSubstr("line 2"));
}

// QEMU was killed, or the disk was full: whatever it had shown until then was alike.
TEST_F(PartingTest, OneThatWasCutShortIsNeverTheSame) {
  b.held = "";
  b.not_held = "the machine had ended by itself";
  b.console_bytes = 4;
  EXPECT_EQ(parting(), "end state: none; the machine had ended by itself");
  a.held = "";
  a.not_held = b.not_held;
  EXPECT_EQ(parting(), "end state: none; the machine had ended by itself");
  // Without a plugin there is the console alone.
  a.instructions = b.instructions = 0;
  EXPECT_EQ(parting(), "console, bytes: 12 / 4");
  b.console_bytes = 12;
  EXPECT_EQ(parting(), "");
}

TEST(HoldForTest, IsWhereTheOtherStood) {
  results::Determinism one = some_state();
  EXPECT_EQ(hold_for(one), 100u);
  one.held = "end";
  EXPECT_EQ(hold_for(one), std::nullopt);  // it comes to its last word by itself
  one.held = "";
  one.instructions = 10'500'000;
  EXPECT_EQ(hold_for(one), 8'000'000u);  // before its end, at a round number
  one.instructions = 7;
  EXPECT_EQ(hold_for(one), 1u);
}

// A page that was never touched and one that was cleared hold the same.
TEST(RamDigestTest, IsOfContentAndPlaceAndNotOfHoles) {
  const auto ram = [](std::size_t at, char byte, bool touched) {
    Fd fd(::memfd_create("ram", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(fd.get(), 4 << 20), 0);
    if (touched) {
      const std::string zeros(1 << 20, '\0');
      EXPECT_EQ(::pwrite(fd.get(), zeros.data(), zeros.size(), 1 << 20), 1 << 20);
    }
    EXPECT_EQ(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(at)), 1);
    return *ram_digest({.fd = std::move(fd), .bytes = 4 << 20});
  };
  const std::string plain = ram(5000, 'a', false);
  EXPECT_EQ(ram(5000, 'a', true), plain);
  EXPECT_NE(ram(5000, 'b', false), plain);
  EXPECT_NE(ram(5000 + 4096, 'a', false), plain);
  EXPECT_NE(ram(5001, 'a', false), plain);
}

}  // namespace
}  // namespace ktrial::trial
