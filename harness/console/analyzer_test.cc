#include "harness/console/analyzer.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ktrial::console {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kWarning =
    "[    1.000000] WARNING: CPU: 1 PID: 79 at fs/x.c:60 foo_warn+0x12/0x30\n";

std::vector<Finding> analyze(const std::string& text) {
  Analyzer analyzer;
  analyzer.feed(text);
  analyzer.finish();
  return analyzer.findings();
}

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// What real guests wrote, *.log.gz.
std::string unpacked(const std::string& bytes) {
  archive* reader = archive_read_new();
  archive_read_support_filter_gzip(reader);
  archive_read_support_format_raw(reader);
  archive_entry* entry = nullptr;
  std::string out;
  if (archive_read_open_memory(reader, bytes.data(), bytes.size()) == ARCHIVE_OK &&
      archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    char block[16384];
    for (la_ssize_t n; (n = archive_read_data(reader, block, sizeof(block))) > 0;)
      out.append(block, static_cast<std::size_t>(n));
  }
  archive_read_free(reader);
  return out;
}
std::string read_log(const std::filesystem::path& path) {
  return path.extension() == ".gz" ? unpacked(read(path)) : read(path);
}

// Everything that a golden file holds, and everything that chunking must not change.
std::string describe(const Analyzer& analyzer) {
  std::ostringstream out;
  out << "lines " << analyzer.lines() << " kernel " << analyzer.saw_kernel_line() << "\nlast "
      << analyzer.last_kernel_line() << "\n";
  for (const EnvironmentMark& mark : analyzer.environment())
    out << "mark " << mark.line << (mark.dropped_messages ? " dropped " : " ") << mark.text << "\n";
  for (const Finding& finding : analyzer.findings()) {
    out << finding.first_line << "-" << finding.last_line << " " << name(finding.kind) << " "
        << finding.severity << " | " << finding.title << " | culprit " << finding.culprit << " cpu "
        << (finding.cpu ? std::to_string(*finding.cpu) : "-") << " task " << finding.task
        << (finding.corrupted ? " | corrupted" : "") << "\n";
    if (finding.excerpt.size() > 16 * 1024) out << "excerpt too long\n";
  }
  return out.str();
}

std::vector<std::filesystem::path> logs() {
  std::vector<std::filesystem::path> all;
  const std::filesystem::path folder = KTRIAL_SOURCE_DIR "/harness/console/testdata";
  for (const char* of : {"", "guests"})
    for (const auto& entry : std::filesystem::directory_iterator(folder / of))
      if (entry.path().extension() == ".log" || entry.path().extension() == ".gz")
        all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  return all;
}

TEST(AnalyzerGoldenTest, FindingsAreTheExpectedOnes) {
  ASSERT_FALSE(logs().empty());
  for (const auto& path : logs()) {
    Analyzer analyzer;
    analyzer.feed(read_log(path));
    analyzer.finish();
    EXPECT_GT(analyzer.lines(), 10U) << path;
    std::filesystem::path golden = path;
    if (golden.extension() == ".gz") golden.replace_extension();
    golden.replace_extension(".expected");
    if (std::getenv("KTRIAL_UPDATE_GOLDENS") != nullptr)
      std::ofstream(golden, std::ios::binary) << describe(analyzer);
    EXPECT_EQ(describe(analyzer), read(golden)) << path;
  }
}

TEST(AnalyzerChunkTest, PiecesGiveTheSameFindings) {
  for (const auto& path : logs()) {
    const std::string text = read_log(path);
    Analyzer whole;
    whole.feed(text);
    whole.finish();
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
      Analyzer pieces;
      for (std::size_t at = 0; at < text.size(); at += size)
        pieces.feed(std::string_view(text).substr(at, size));
      pieces.finish();
      EXPECT_EQ(describe(pieces), describe(whole)) << path << " in pieces of " << size;
    }
  }
}

TEST(AnalyzerChunkTest, EverySplitOfAReportGivesTheSame) {
  const std::string text =
      read(KTRIAL_SOURCE_DIR "/harness/console/testdata/mixed-writers-callers.log");
  Analyzer whole;
  whole.feed(text);
  whole.finish();
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Analyzer pieces;
    pieces.feed(std::string_view(text).substr(0, cut));
    pieces.feed(std::string_view(text).substr(cut));
    pieces.finish();
    ASSERT_EQ(describe(pieces), describe(whole)) << "cut at " << cut;
  }
}

TEST(AnalyzerLiveTest, FindingAppearsWithItsHeadAndIsRefined) {
  Analyzer analyzer;
  analyzer.feed("[    1.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 9s! [a b:87]\n");
  ASSERT_THAT(analyzer.findings(), SizeIs(1));
  EXPECT_EQ(analyzer.findings()[0].title, "BUG: soft lockup");
  EXPECT_EQ(analyzer.findings()[0].task, "a b");
  EXPECT_EQ(analyzer.findings()[0].cpu, 1);
  analyzer.feed("[    1.000001] RIP: 0010:foo_spin+0x1/0x2\n");
  EXPECT_EQ(analyzer.findings()[0].title, "BUG: soft lockup in foo_spin");
  EXPECT_EQ(analyzer.findings()[0].culprit, "foo_spin");
}

TEST(AnalyzerLiveTest, KernelLinesAreProofOfLife) {
  Analyzer analyzer;
  analyzer.feed("SeaBIOS (version 1)\n");
  EXPECT_FALSE(analyzer.saw_kernel_line());
  analyzer.feed(
      "\x1b"
      "c\x1b[?7l\x1b[2J[    0.000000] Linux version 6.12\r\n");
  EXPECT_TRUE(analyzer.saw_kernel_line());
  EXPECT_EQ(analyzer.last_kernel_line(), "Linux version 6.12");
  EXPECT_EQ(analyzer.lines(), 2U);
}

TEST(AnalyzerRobustTest, ControlBytesHideNothing) {
  using namespace std::string_literals;
  for (const std::string& text :
       {"\x1b[1m[    1.000000] WARN\x1b[0mING: CPU: 1 PID: 79 at fs/x.c:60 foo_warn+0x12/0x30\r\n"s,
        "[    1.000000] WAR\0NING: CPU: 1 PID: 79 at fs/x.c:60 foo_warn+0x12/0x30\n"s,
        "[    1.000000] WARNING: \rCPU: 1 PID: 79 at fs/x.c:60 foo_warn+0x12/0x30\r\r\n"s,
        "\n\n[    1.000000] WAR\aNING: CPU: 1 PID: 79 at fs/x.c:60 foo_warn+0x12/0x30"s}) {
    ASSERT_THAT(analyze(text), SizeIs(1)) << testing::PrintToString(text);
    EXPECT_EQ(analyze(text)[0].title, "WARNING in foo_warn");
  }
}

TEST(AnalyzerRobustTest, UserTextBeforeThePrefixIsSetAside) {
  const auto findings = analyze(std::string("progress 41 of 100") + kWarning);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].title, "WARNING in foo_warn");
}

TEST(AnalyzerRobustTest, MegabyteLinesAreCut) {
  const std::string text = "[    1.000000] " + std::string(8 << 20, 'x') + " BUG: \n" + kWarning;
  const auto findings = analyze(text);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].first_line, 2U);
}

TEST(AnalyzerRobustTest, ExcerptAndFindingsAreBounded) {
  Analyzer analyzer;
  std::string text;
  for (int i = 0; i < 3000; ++i)
    text += "[ " + std::to_string(i) + std::string(kWarning).substr(5) +
            "[    1.000000]  foo+0x1/0x2\n";
  analyzer.feed(text);
  analyzer.finish();
  EXPECT_THAT(analyzer.findings(), SizeIs(Analyzer::kMaxFindings));
  EXPECT_GT(analyzer.findings_not_kept(), 0U);
  for (const Finding& finding : analyzer.findings()) EXPECT_LE(finding.excerpt.size(), 16384U);
}

TEST(AnalyzerRobustTest, DroppedMessagesMarkTheReport) {
  const auto findings = analyze(std::string(kWarning) +
                                "** 12 printk messages dropped **\n[    1.000002]  foo+0x1/0x2\n");
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_TRUE(findings[0].corrupted);
}

TEST(AnalyzerRobustTest, ReportEndsWhenNothingMoreIsSaidOfIt) {
  std::string text = kWarning;
  for (int i = 0; i < 1000; ++i) text += "[    2.000000] eth0: link is up\n";
  const auto findings = analyze(text);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].last_line, 1U);
  EXPECT_THAT(findings[0].excerpt, testing::Not(HasSubstr("link is up")));
}

TEST(AnalyzerRobustTest, PanicBelongsToTheReportBeforeIt) {
  const auto findings = analyze(
      std::string(kWarning) + "[    1.000001] Kernel panic - not syncing: panic_on_warn set ...\n");
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].last_line, 2U);
}

TEST(AnalyzerCulpritTest, AllWaitersMeansUnknown) {
  const auto findings = analyze(
      "[    1.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 9s! [a:87]\n"
      "[    1.000000] RIP: 0010:smp_call_function_many_cond+0x1/0x2\n"
      "[    1.000000] Call Trace:\n"
      "[    1.000000]  flush_tlb_mm_range+0x1/0x2\n"
      "[    1.000000]  do_wp_page+0x1/0x2\n");
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].culprit, "");
}

// Seen on 7.3: the idle neighbour was caught while it switched tasks.
TEST(AnalyzerCulpritTest, WhoSpinsForSecondsComesBeforeWhoIsCaughtInsideTheScheduler) {
  const std::string text =
      "[    1.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 6s! [a/1:104]\n"
      "[    1.000000] CPU: 1 UID: 0 PID: 104 Comm: a/1 Tainted: G           OE       7.3.4 #1\n"
      "[    1.000000] RIP: 0010:foo_spin+0x47/0x80 [foo]\n"
      "[    1.000000] Call Trace:\n"
      "[    1.000000]  kthread+0xe5/0x120\n"
      "[    1.000000] Sending NMI from CPU 1 to CPUs 0:\n"
      "[    1.000000] NMI backtrace for cpu 0\n"
      "[    1.000000] CPU: 0 UID: 0 PID: 40 Comm: kcompactd0 Tainted: G           OE 7.3.4 #1\n"
      "[    1.000000] RIP: 0010:lapic_next_event+0x15/0x20\n"
      "[    1.000000] Call Trace:\n"
      "[    1.000000]  hrtimer_start_range_ns+0xd1/0xf0\n"
      "[    1.000000]  finish_task_switch.isra.0+0x2dc/0x3e0\n"
      "[    1.000000]  __schedule+0x532/0x1080\n"
      "[    1.000000]  schedule+0x28/0xa0\n";
  const auto findings = analyze(text);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].culprit, "foo_spin");
  EXPECT_EQ(findings[0].cpu, 1);
}

// panic_print shows the other CPUs; they have nothing to do with it.
TEST(AnalyzerCulpritTest, OfAPanicItIsWhoCalledIt) {
  for (const auto& [caller, culprit] : {std::pair("foo_give_up", "foo_give_up"), {"do_exit", ""}}) {
    const auto findings = analyze(
        "[    1.000000] Kernel panic - not syncing: foo has had enough\n"
        "[    1.000000] CPU: 0 UID: 0 PID: 102 Comm: a Tainted: G           OE       7.3.4 #1\n"
        "[    1.000000] Call Trace:\n"
        "[    1.000000]  dump_stack_lvl+0x5d/0x80\n"
        "[    1.000000]  vpanic+0x166/0x360\n"
        "[    1.000000]  panic+0x6b/0x70\n"
        "[    1.000000]  " +
        std::string(caller) +
        "+0x15/0x34c [foo]\n"
        "[    1.000000]  do_one_initcall+0x57/0x310\n"
        "[    1.000000] Sending NMI from CPU 0 to CPUs 1:\n"
        "[    1.000000] NMI backtrace for cpu 1\n"
        "[    1.000000] CPU: 1 UID: 0 PID: 0 Comm: swapper/1 Tainted: G           OE 7.3.4 #1\n"
        "[    1.000000] RIP: 0010:pv_native_safe_halt+0xf/0x20\n"
        "[    1.000000] Call Trace:\n"
        "[    1.000000]  default_idle+0x9/0x20\n");
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_EQ(findings[0].title, "kernel panic: foo has had enough");
    EXPECT_EQ(findings[0].culprit, culprit);
  }
}

TEST(AnalyzerNegativeTest, HarmlessLinesAreNoFindings) {
  for (const char* line : {
           "Command line: oops=panic BUG: x WARNING: CPU: 1 PID: 2 at a.c:1 f+0x1/0x2",
           "Kernel command line: Kernel panic - not syncing: x",
           "Unknown kernel command line parameters \"BUG: kernel NULL pointer\", will be passed",
           "rcu: \tRCU CPU stall warnings timeout set to 21 seconds.",
           " ? __bpf_trace_rcu_stall_warning+0x10/0x10",
           "rcu: INFO: Stall ended before state dump start",
           "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 2.277 msecs",
           "INFO: lockdep is turned off.",
           "hrtimer: interrupt took 2000000 ns",
           ("clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable "
            "because the skew is too large:"),
           "sched: RT throttling activated",
           "NMI watchdog: Perf NMI watchdog permanently disabled",
           "EXT4-fs (loop1): INFO: recovery required on readonly filesystem",
           "WARNING: the mand mount option is being deprecated and",
           "Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc",
           "random: crng init done",
           "workqueue: foo hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
           "a.out[10579]: segfault at 4cb420 ip 00000000004cb420 sp 00007f27fd37a250 error 15",
           "Out of memory: Killed process 10 (a) total-vm:1kB",
       }) {
    EXPECT_THAT(analyze(std::string("[    1.000000] ") + line + "\n"), IsEmpty()) << line;
  }
}

TEST(AnalyzerNegativeTest, ProgramsCannotForgeReportsOnceTheKernelSpoke) {
  EXPECT_THAT(analyze("[    0.000000] Linux version 6.12\nBUG: soft lockup - CPU#1 stuck\n"
                      "Kernel panic - not syncing: joke\n"),
              IsEmpty());
}

TEST(AnalyzerEnvironmentTest, SymptomsAreMarkedNotFound) {
  Analyzer analyzer;
  analyzer.feed(
      "[    1.000000] hrtimer: interrupt took 2000000 ns\n"
      "[    1.000000] clocksource: Switched to clocksource tsc\n"
      "** replaying previous printk message **\n");
  analyzer.finish();
  ASSERT_THAT(analyzer.environment(), SizeIs(2));
  EXPECT_EQ(analyzer.environment()[0].line, 1U);
  EXPECT_TRUE(analyzer.environment()[1].dropped_messages);
}

}  // namespace
}  // namespace ktrial::console
