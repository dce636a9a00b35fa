// A real soft lockup, with all-CPU backtraces asked for (ktrial's command line
// does): the report of the kernel keeps the rules of backtraces.h, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

#include <filesystem>
#include <sstream>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "workloads/nmi-backtrace/backtraces.h"

namespace ktrial::workload {
namespace {
namespace fs = std::filesystem;

constexpr int kCpus = 3;
constexpr char kSoonSoftLockup[] = "watchdog_thresh=2 rcupdate.rcu_cpu_stall_timeout=60";

// The console lines without their times, numbered: a console drops none.
std::vector<KmsgLine> console_lines(const fs::path& run) {
  std::istringstream in(read_file(run / "console.log", 64 << 20).value_or(""));
  std::vector<KmsgLine> lines;
  for (std::string text; std::getline(in, text);) {
    if (text.ends_with('\r')) text.pop_back();
    lines.push_back({lines.size(), text.substr(std::min(text.size(), text.find("] ") + 2))});
  }
  return lines;
}

// The first lockup's report: from its head to the head of the next.
std::vector<KmsgLine> first_report(const std::vector<KmsgLine>& lines, std::size_t first) {
  std::vector<KmsgLine> report = {lines[first]};
  for (std::size_t i = first + 1; i < lines.size(); ++i) {
    if (lines[i].text.starts_with("watchdog: BUG")) break;
    report.push_back(lines[i]);
  }
  return report;
}

TEST(LockupE2eTest, ASoftLockupsBacktracesAreOfAllOtherCpusOnceEach) {
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const std::string program = KTRIAL_BINARY_DIR "/bin/ktrial";
  const auto output = run_command(
      {program, "run", "--workload", "inject", "--set", "fault=soft_lockup", "--cpus",
       std::to_string(kCpus), "--append", kSoonSoftLockup, "--results", dir->path().string()},
      {.timeout = std::chrono::minutes(10)});
  ASSERT_TRUE(output) << output.error().message;
  if (output->exit_status > 1) GTEST_SKIP() << output->err;
  ASSERT_EQ(output->exit_status, 1) << output->out << output->err;
  std::vector<KmsgLine> lines;
  for (const auto& run : fs::directory_iterator(dir->path() / "runs"))
    lines = console_lines(run.path() / "trials" / "000");
  const std::set<int> all = {0, 1, 2};
  const auto lockup = find_lockup(lines, all, all);
  ASSERT_TRUE(lockup) << lines.size() << " lines without a lockup";
  const auto report = first_report(lines, lockup->first_line);
  const BacktraceVerdict verdict = check_backtraces(report, lockup->request);
  EXPECT_THAT(verdict.broken, testing::IsEmpty());
  EXPECT_THAT(verdict.unanswered, testing::IsEmpty());
  EXPECT_EQ(verdict.served, 1);
  EXPECT_EQ(verdict.answers + verdict.idle, kCpus - 1);

  // And the checker sees an answer that is missing.
  std::vector<KmsgLine> one_less = report;
  const auto answer = std::ranges::find_if(one_less, [](const KmsgLine& line) {
    return line.text.starts_with("NMI backtrace for cpu ");
  });
  ASSERT_NE(answer, one_less.end());
  answer->text = "lost";
  EXPECT_FALSE(check_backtraces(one_less, lockup->request).unanswered.empty());
}

}  // namespace
}  // namespace ktrial::workload
