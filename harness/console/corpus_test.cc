// Scores the titles against a folder of labelled logs, if there is one.
//
// A file: header lines ("TITLE: ..."), an empty line, the log, and optionally
// "REPORT:" with what follows. A file without a title must give no finding.
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/console/analyzer.h"

namespace ktrial::console {
namespace {

namespace fs = std::filesystem;

fs::path corpus() {
  if (const char* folder = std::getenv("KTRIAL_CORPUS")) return folder;
  return KTRIAL_SOURCE_DIR "/../shared/corpus/syzkaller-even";
}

struct Labelled {
  std::string title, log;
  bool corrupted = false;
};

Labelled load(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  std::string all = text.str();
  RE2::GlobalReplace(&all, "\r\n", "\n");
  Labelled out;
  const std::size_t end = all.starts_with('\n') ? 0 : all.find("\n\n");
  std::istringstream head(all.substr(0, end));
  for (std::string line; std::getline(head, line);) {
    if (out.title.empty()) RE2::FullMatch(line, R"(TITLE:\s*(.*?)\s*)", &out.title);
    if (RE2::FullMatch(line, R"(CORRUPTED:\s*Y\s*)")) out.corrupted = true;
  }
  out.log = all.substr(end == 0 ? 1 : std::min(end, all.size() - 2) + 2);
  if (const auto report = out.log.find("\nREPORT:\n"); report != out.log.npos)
    out.log.resize(report);
  return out;
}

std::string norm(std::string title) {
  RE2::GlobalReplace(&title, R"(\.(isra|constprop|part|cold)(\.\d+)?)", "");
  return title;
}

std::string kind_of(const std::string& title) { return title.substr(0, title.find(" in ")); }

struct Score {
  int titled = 0, detected = 0, kind = 0, whole = 0, exact = 0, clean = 0, alarms = 0;

  void count(const Labelled& file) {
    Analyzer analyzer;
    analyzer.feed(file.log);
    analyzer.finish();
    const auto& found = analyzer.findings();
    if (file.title.empty()) {
      ++clean;
      alarms += !found.empty();
      return;
    }
    const std::string want = norm(file.title), got = found.empty() ? "" : norm(found[0].title);
    ++titled;
    detected += !found.empty();
    kind += kind_of(got) == kind_of(want);
    if (file.corrupted) return;
    ++whole;
    exact += got == want;
  }
};

TEST(Corpus, ReachesTheGoals) {
  if (!fs::is_directory(corpus()))
    GTEST_SKIP() << "no labelled logs in " << corpus() << "; KTRIAL_CORPUS names another folder";
  Score score;
  for (const auto& entry : fs::directory_iterator(corpus()))
    if (RE2::FullMatch(entry.path().filename().string(), R"(\d+)")) score.count(load(entry.path()));
  RecordProperty("titled", score.titled);
  RecordProperty("exact", score.exact);
  ASSERT_GT(score.titled, 0);
  EXPECT_GE(score.detected, 0.995 * score.titled);
  EXPECT_GE(score.kind, 0.97 * score.titled);
  EXPECT_GE(score.exact, 0.85 * score.whole);
  EXPECT_EQ(score.alarms, 0) << "of " << score.clean;
}

}  // namespace
}  // namespace ktrial::console
