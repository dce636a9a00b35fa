// Scores the analyzer on a folder of crash reports with known titles, when there is one: the
// environment variable KTRIAL_CORPUS names it. A file is header lines ("TITLE: ...",
// "CORRUPTED: Y"), an empty line, the console log, and perhaps "REPORT:" with an excerpt.
#include <gtest/gtest.h>
#include <re2/re2.h>
#include <test_paths.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/console/analyzer.h"
#include "harness/console/line.h"
#include "harness/console/wrappers.h"

namespace ktrial::console {
namespace {

struct Case {
  std::string title;  // empty: nothing must be found
  bool corrupted = false;
  std::string log;
};

Case load(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  std::string text = bytes.str();
  RE2::GlobalReplace(&text, "\r\n", "\n");
  Case out;
  std::istringstream head(text.substr(0, text.starts_with("\n") ? 0 : text.find("\n\n")));
  for (std::string line; std::getline(head, line);) {
    if (line.starts_with("TITLE:") && out.title.empty() && line.size() > 7)
      out.title = line.substr(7);
    if (line == "CORRUPTED: Y") out.corrupted = true;
  }
  const std::size_t start = text.starts_with("\n") ? 1 : text.find("\n\n") + 2;
  out.log = text.substr(start);
  out.log = out.log.substr(0, out.log.find("\nREPORT:\n"));
  return out;
}

std::string normal(std::string title) {
  RE2::GlobalReplace(&title, R"(\.(isra|constprop|part|cold)(\.\d+)?)", "");
  while (title.ends_with(' ')) title.pop_back();
  return title;
}
std::string kind_of(const std::string& title) { return title.substr(0, title.find(" in ")); }

std::string first_title(const std::string& log) {
  Analyzer analyzer;
  analyzer.feed(log);
  analyzer.finish();
  return analyzer.findings().empty() ? "" : analyzer.findings()[0].title;
}

std::filesystem::path corpus_folder() {
  if (const char* named = std::getenv("KTRIAL_CORPUS")) return named;
  return KTRIAL_SOURCE_DIR "/../shared/corpus/syzkaller-even";
}

TEST(CorpusTest, ScoresReachTheGoals) {
  const std::filesystem::path folder = corpus_folder();
  if (!std::filesystem::is_directory(folder))
    GTEST_SKIP() << "no corpus at " << folder << "; set KTRIAL_CORPUS to a folder of reports";
  int titled = 0, detected = 0, kind = 0, whole = 0, exact = 0, clean = 0, alarms = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().find_first_not_of("0123456789") != std::string::npos)
      continue;
    const Case expected = load(entry.path());
    Analyzer analyzer;
    analyzer.feed(expected.log);
    analyzer.finish();
    const auto& findings = analyzer.findings();
    if (expected.title.empty()) {
      ++clean;
      alarms += findings.empty() ? 0 : 1;
      EXPECT_TRUE(findings.empty()) << entry.path() << ": false alarm " << findings[0].title;
      continue;
    }
    ++titled;
    const std::string want = normal(expected.title);
    const std::string got = findings.empty() ? "" : normal(findings[0].title);
    detected += findings.empty() ? 0 : 1;
    kind += kind_of(want) == kind_of(got) ? 1 : 0;
    if (expected.corrupted) continue;
    ++whole;
    exact += want == got ? 1 : 0;
  }
  if (titled == 0) GTEST_SKIP() << "no report in " << folder;
  RecordProperty("titled", titled);
  RecordProperty("kind", kind);
  RecordProperty("exact", exact);
  EXPECT_GE(detected * 100, titled * 98) << detected << " of " << titled;
  EXPECT_EQ(alarms, 0) << "of " << clean;
  EXPECT_GE(kind * 100, titled * 98) << kind << " of " << titled;
  EXPECT_GE(exact * 100, whole * 90) << exact << " of " << whole;
}

// In whatever a log is wrapped, the first report is told by the same title.
TEST(CorpusTest, WrappingsChangeNoTitle) {
  const std::filesystem::path folder = corpus_folder();
  if (!std::filesystem::is_directory(folder))
    GTEST_SKIP() << "no corpus at " << folder << "; set KTRIAL_CORPUS to a folder of reports";
  std::vector<std::pair<std::string, std::string>> logs;  // with their titles
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().find_first_not_of("0123456789") != std::string::npos)
      continue;
    // Lines without a stamp are a program's, or nobody knows whose.
    std::string log;
    std::istringstream lines(load(entry.path()).log);
    for (std::string line; std::getline(lines, line);)
      if (is_stamp(line, 0)) log += line + "\n";
    if (const std::string title = first_title(log); !title.empty()) logs.emplace_back(log, title);
  }
  if (logs.empty()) GTEST_SKIP() << "no report in " << folder;
  for (const WholeWrapper& wrapper : whole_wrappers()) {
    std::size_t same = 0;
    for (const auto& [log, title] : logs) same += first_title(wrapper.wrap(log)) == title ? 1 : 0;
    RecordProperty(wrapper.name, static_cast<int>(same));
    EXPECT_GE(same * 100, logs.size() * 90)
        << wrapper.name << ": " << same << " of " << logs.size();
  }
}

}  // namespace
}  // namespace ktrial::console
