#include "harness/trial/console_notes.h"

#include <gtest/gtest.h>

namespace ktrial::trial {
namespace {

TEST(CompilerTest, IsReadOutOfTheBanner) {
  const struct {
    const char *banner, *want;
  } kTable[] = {
      {"Linux version 6.1.0-49-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian "
       "12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC",
       "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"},
      {"Linux version 6.9.0 (u@h) (Debian clang version 19.1.4, Debian LLD 19.1.4) #1 SMP",
       "Debian clang version 19.1.4"},
      {"Linux version 4.19.0-6-amd64 (x@y) (gcc version 8.3.0 (Debian 8.3.0-6)) #1 SMP",
       "gcc version 8.3.0 (Debian 8.3.0-6)"},
      {"Linux version 5.0.0 (who@where) (gcc version 8.3.0 (GCC) ) #2", "gcc version 8.3.0 (GCC)"},
      {"Linux version 5.0.0 (who@where) (gcc, GNU ld", ""},  // cut
      {"Linux version 5.0.0", ""},
      {"Linux version 5.0.0 (", ""},
      {"", ""},
  };
  for (const auto& row : kTable) EXPECT_EQ(compiler_of(row.banner), row.want) << row.banner;
}

TEST(ConsoleNotesTest, LinesMayComeInAnyPieces) {
  const std::string text =
      "SeaBIOS\n[    0.000000] Linux version 6.1 (a@b) (gcc 12) #1\r\nno stamp\n"
      "[    2.000001][    T1] sched_clock: Marking stable (1, 2)->(4, -3000000)\n[    9.5000";
  for (std::size_t size : {1, 2, 7, 1000}) {
    ConsoleNotes notes;
    for (std::size_t at = 0; at < text.size(); at += size) notes.feed(text.substr(at, size));
    notes.finish();
    EXPECT_EQ(compiler_of(notes.banner()), "gcc 12");
    EXPECT_FALSE(notes.stamp_us(0));
    EXPECT_FALSE(notes.stamp_us(1));
    EXPECT_EQ(notes.stamp_us(2), 0u);
    EXPECT_FALSE(notes.stamp_us(3));
    EXPECT_EQ(notes.stamp_us(4), 2000001u);
    EXPECT_FALSE(notes.stamp_us(6));
    EXPECT_EQ(notes.clock_lead_us(), 3000);
    EXPECT_FALSE(notes.dump().begun());
  }
}

// However much the console prints before it: nothing has to be read again.
TEST(ConsoleNotesTest, ADumpIsReadAsItPasses) {
  ConsoleNotes notes;
  for (int i = 0; i < 100000; ++i) notes.feed("[    1.000000] noise of a long day\n");
  notes.feed(
      "[    9.012345] Dumping ftrace buffer:\n[    9.012346] "
      "---------------------------------\n");
  notes.feed(
      "[    9.012347]     sh-71         2d..2. 1115969us : sched_switch: prev_comm=sh "
      "prev_pid=71 prev_prio=120 prev_state=S ==> next_comm=x next_pid=9 next_prio=120\n");
  notes.feed("[    9.012349] ---------------------------------\n");
  notes.finish();
  ASSERT_TRUE(notes.dump().begun());
  const trace::History dump = notes.dump().finish();
  ASSERT_EQ(dump.moments.size(), 1u);
  EXPECT_EQ(dump.moments[0].ns, 1115969000u);
  EXPECT_TRUE(dump.missing.empty());
}

}  // namespace
}  // namespace ktrial::trial
