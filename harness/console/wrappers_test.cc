// A report tells the same in whatever its whole log is wrapped; and the parts of that which need
// words of their own.
#include "harness/console/wrappers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/console/analyzer.h"

namespace ktrial::console {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> titles(const std::string& text) {
  Analyzer analyzer;
  analyzer.feed(text);
  analyzer.finish();
  std::vector<std::string> out;
  for (const Finding& finding : analyzer.findings()) out.push_back(finding.title);
  return out;
}

constexpr const char* kLongReports =
    "[    4.000002] WARNING: CPU: 2 PID: 311 at "
    "drivers/net/ethernet/demo/long_name/demo_core.c:1204 demo_flush_queue+0x4c/0x90\n"
    "[    4.000003] Modules linked in: demo(O) ext4 mbcache jbd2 virtio_net net_failover failover "
    "virtio_blk\n"
    "[    4.000004] CPU: 2 PID: 311 Comm: demo-worker Not tainted 6.6.30-demo #1\n"
    "[    4.000005] RIP: 0010:demo_flush_queue+0x4c/0x90\n"
    "[    4.000006] Call Trace:\n[    4.000007]  <TASK>\n[    4.000008]  demo_release+0x2a/0x50\n"
    "[    4.000009]  </TASK>\n[    4.000010] ---[ end trace 0000000000000000 ]---\n"
    "[  249.000001] INFO: task demo-writer-with-name:402 blocked for more than 120 seconds.\n"
    "[  249.000002]       Not tainted 6.6.30-demo #1\n"
    "[  249.000003] \"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.\n"
    "[  249.000004] Call Trace:\n[  249.000005]  <TASK>\n[  249.000006]  __schedule+0x3c4/0xb80\n"
    "[  249.000007]  schedule+0x5e/0xd0\n[  249.000008]  demo_wait_for_queue+0x1a/0x40\n"
    "[  249.000009]  </TASK>\n"
    "[  301.000001] BUG: KASAN: slab-use-after-free in demo_peek_at_the_queue_head+0x1f/0x60\n"
    "[  301.000002] Read of size 8 at addr ffff888004a3c010 by task demo-a/402\n"
    "[  301.000003] CPU: 1 PID: 402 Comm: demo-a Not tainted 6.6.30-demo #1\n"
    "[  301.000004] Call Trace:\n[  301.000005]  <TASK>\n"
    "[  301.000006]  dump_stack_lvl+0x34/0x48\n[  301.000007]  kasan_report+0xb9/0xf0\n"
    "[  301.000008]  demo_peek_at_the_queue_head+0x1f/0x60\n[  301.000009]  </TASK>\n";

class Wrappers : public testing::TestWithParam<WholeWrapper> {};

TEST_P(Wrappers, AReportTellsTheSame) {
  ASSERT_THAT(titles(kLongReports),
              ElementsAre("WARNING in demo_flush_queue", "INFO: task hung in demo_wait_for_queue",
                          "KASAN: slab-use-after-free Read in demo_peek_at_the_queue_head"));
  EXPECT_EQ(titles(GetParam().wrap(kLongReports)), titles(kLongReports))
      << GetParam().wrap(kLongReports);
}

TEST_P(Wrappers, HealthyBootsTellNothing) {
  std::ifstream in(KTRIAL_SOURCE_DIR "/harness/console/testdata/boot-harmless.log");
  std::ostringstream text;
  text << in.rdbuf();
  ASSERT_GT(text.str().size(), 1000U);
  EXPECT_THAT(titles(GetParam().wrap(text.str())), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Envelope, Wrappers, testing::ValuesIn(whole_wrappers()),
                         [](const auto& each) { return each.param.name; });

// Lines of a terminal's width, and what went on in the next one.
TEST(WrappersTest, ATerminalsWidthIsLearned) {
  const std::string filler = "[    1.000001] " + std::string(65, 'x') + "\nxxxx\n";
  const std::string head =
      "[    4.000002] WARNING: CPU: 2 PID: 311 at drivers/demo/demo_core.c:12 demo_flus\n"
      "h_queue+0x4c/0x90\n";
  const std::string report =
      "[    4.000004] CPU: 2 PID: 311 Comm: demo-worker Not tainted 6.6.30-demo #1\n"
      "[    4.000006] Call Trace:\n[    4.000008]  demo_release+0x2a/0x50\n";
  ASSERT_EQ(head.find('\n'), filler.find('\n'));
  EXPECT_THAT(titles(filler + head + report), ElementsAre("WARNING in demo_flush_queue"));
}

// It stays known, whatever was put together since.
TEST(WrappersTest, WhatWasPutTogetherIsNobodysWidth) {
  const auto broken = [](const std::string& seconds, const char* function) {
    return "[    " + seconds + "] WARNING: CPU: 2 PID: 311 at drivers/demo/demo_core.c:12 " +
           std::string(function, 9) + "\n" + (function + 9) + "+0x4c/0x90\n[   " + seconds +
           "] Call Trace:\n[    " + seconds + "]  demo_release+0x2a/0x50\n";
  };
  const std::string filler = "[    1.000002] " + std::string(65, 'x') + "\nxxxx\n";
  const std::string log = "[    1.000001] Linux version 6.6.30\n" + filler +
                          broken("4.000002", "demo_flush_queue") +
                          broken("5.000002", "demo_drain_queue");
  EXPECT_THAT(titles(log),
              ElementsAre("WARNING in demo_flush_queue", "WARNING in demo_drain_queue"))
      << log;
}

// The end of any program is no report on a console where the kernel speaks.
TEST(WrappersTest, AProgramsEndIsToldOnlyWhereNoKernelSpeaks) {
  const std::string end =
      "fatal error: out of memory\n\ngoroutine 1 [running]:\nruntime.throw({0x47, 0x2})\n\n"
      "goroutine 2 [select, 3 minutes]:\nmain.wait()\n";
  EXPECT_THAT(titles(end), ElementsAre("go runtime error"));
  EXPECT_THAT(titles("[    1.000001] Linux version 6.6.30\n" + end), IsEmpty());
}

// What a program writes right behind a head is no part of it.
TEST(WrappersTest, AProgramsLinesAreNotJoined) {
  EXPECT_THAT(titles("[    1.000001] usb 1-1: a message that is wider than any mail program would "
                     "ever let a line become, by far\n"
                     "[    4.000002] Kernel panic - not syncing: demo: cannot go on any longer\n"
                     "executing-program-number-one now\n"),
              ElementsAre("kernel panic: demo: cannot go on any longer"));
}

// Nothing proves a report without stamps on a console that has them; a whole one is believed.
TEST(WrappersTest, AWholeReportWithoutStampsIsBelieved) {
  const std::string stamped = "[    1.000001] Linux version 6.6.30\n[    1.000002] one\n";
  const std::string head =
      "WARNING: CPU: 2 PID: 311 at demo_core.c:120 demo_flush_queue+0x4c/0x90\n";
  const std::string rest =
      "CPU: 2 PID: 311 Comm: demo-worker Not tainted 6.6.30-demo #1\n"
      "Hardware name: QEMU Standard PC\nRIP: 0010:demo_flush_queue+0x4c/0x90\nCall Trace:\n"
      " demo_release+0x2a/0x50\n";
  EXPECT_THAT(titles(stamped + head + rest), ElementsAre("WARNING in demo_flush_queue"));
  EXPECT_THAT(titles(stamped + head + "CPU: 2 PID: 311 Comm: demo-worker Not tainted 6.6.30\n"),
              IsEmpty());
}

// Two CPUs at once, and no caller to tell them apart: neither loses its function.
TEST(WrappersTest, HeadsOfTwoCpusAtOnceBothTellWhere) {
  EXPECT_THAT(titles("[    4.000001] general protection fault: 0000 [#1] PREEMPT SMP\n"
                     "[    4.000002] BUG: KASAN: null-ptr-deref in demo_put+0x87/0x200\n"
                     "[    4.000003] CPU: 0 PID: 1560 Comm: demo-a Not tainted 6.6.30 #1\n"
                     "[    4.000004] Read of size 4 at addr 00000000000000c8 by task demo-b/1533\n"
                     "[    4.000005] RIP: 0010:demo_get+0x8e/0x200\n[    4.000006] Call Trace:\n"
                     "[    4.000007]  demo_open+0x1/0x2\n"),
              ElementsAre("general protection fault in demo_get",
                          "KASAN: null-ptr-deref Read in demo_get"));
}

// What another CPU printed between a trap's head and its own report is not its stack.
TEST(WrappersTest, FramesInFrontOfATrapsReportAreSomebodyElses) {
  EXPECT_THAT(titles("[    4.000001] WARNING: CPU: 0 PID: 6 at fs/proc/generic.c:330 "
                     "proc_register+0x2a4/0x370\n"
                     "[    4.000002]  tun_get_user+0x17d0/0x3940\n"
                     "[    4.000003] CPU: 0 PID: 6 Comm: demo Not tainted 4.15.0 #1\n"
                     "[    4.000004] Call Trace:\n[    4.000005]  demo_check+0xf9c/0x16d0\n"),
              ElementsAre("WARNING: proc registration bug in demo_check"));
}

}  // namespace
}  // namespace ktrial::console
