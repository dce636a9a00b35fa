// Runs the built workloads natively, with tiny amounts: exit statuses, progress
// lines on descriptor 3, and refusal of what they do not know.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/base/command.h"

namespace ktrial {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kWorkloads = KTRIAL_BINARY_DIR "/share/ktrial/workloads";

struct Ran {
  int status = -1;
  std::string out;
  std::vector<std::string> progress;
};

// Through a shell, which is what puts a file at descriptor 3.
Ran run(const std::string& name, const std::string& arguments, bool with_progress = true) {
  char dir[] = "/tmp/ktrial-workload-XXXXXX";
  EXPECT_NE(mkdtemp(dir), nullptr);
  const fs::path progress = fs::path(dir) / "progress";
  const std::string program = (kWorkloads / name / name).string();
  std::string line = with_progress ? "KTRIAL_PROGRESS_FD=3 exec '" + program + "' " + arguments +
                                         " 3>'" + progress.string() + "'"
                                   : "exec '" + program + "' " + arguments + " 3>&-";
  auto got = run_command({"/bin/sh", "-c", line}, {.timeout = std::chrono::seconds(100)});
  Ran ran;
  EXPECT_TRUE(got) << got.error().message;
  if (got) {
    EXPECT_EQ(got->signal, 0);
    ran.status = got->exit_status;
    ran.out = got->out;
  }
  std::ifstream lines(progress);
  for (std::string text; std::getline(lines, text);) ran.progress.push_back(text);
  fs::remove_all(dir);
  return ran;
}

// "DONE TOTAL text" in every line, DONE never falling; the last DONE.
long check_progress(const std::vector<std::string>& lines, long total) {
  long last = -1;
  for (const std::string& line : lines) {
    std::istringstream in(line);
    long done = -1, of = -1;
    std::string text;
    EXPECT_TRUE(in >> done >> of && std::getline(in, text) && text.size() > 1) << line;
    EXPECT_GE(done, last) << line;
    EXPECT_EQ(of, total) << line;
    last = done;
  }
  return last;
}

struct Case {
  const char* name;
  const char* tiny;  // arguments of a run that ends soon
  long total;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class EveryWorkload : public testing::TestWithParam<Case> {};

TEST_P(EveryWorkload, IsHealthyAndShowsProgress) {
  const Ran ran = run(GetParam().name, GetParam().tiny);
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr(std::string(GetParam().name) + ": "));
  EXPECT_GE(check_progress(ran.progress, GetParam().total), 1);
}

TEST_P(EveryWorkload, RunsWithoutAProgressDescriptor) {
  const Ran ran = run(GetParam().name, GetParam().tiny, false);
  EXPECT_EQ(ran.status, 0) << ran.out;
}

TEST_P(EveryWorkload, SurvivesAClosedProgressDescriptor) {
  const std::string program = (kWorkloads / GetParam().name / GetParam().name).string();
  auto got =
      run_command({"/bin/sh", "-c",
                   "KTRIAL_PROGRESS_FD=3 exec '" + program + "' " + GetParam().tiny + " 3>&-"});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_TRUE(got->ok()) << got->out;
}

TEST_P(EveryWorkload, RefusesWhatItDoesNotKnow) {
  for (const char* bad : {"--duration=0 --no-such-thing=1", "--duration=soon", "--duration=-1",
                          "--duration=nan", "--duration=", "--duration", "5", "--"}) {
    const Ran ran = run(GetParam().name, bad);
    EXPECT_EQ(ran.status, 2) << bad;
    EXPECT_THAT(ran.out, HasSubstr("--duration=SECONDS")) << bad;
    EXPECT_TRUE(ran.progress.empty()) << bad;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Workloads, EveryWorkload,
    testing::Values(Case{"mmcid-vfork", "--duration=0 --rounds=2 --spin_ms=5", 2},
                    Case{"smoke", "--duration=0 --memory_mib=1", 1},
                    Case{"fork-storm", "--duration=0.2 --generation_ms=50", 0},
                    Case{"vfork-storm", "--duration=0.2 --generation_ms=50", 0}),
    [](const auto& param) {
      std::string name = param.param.name;
      std::erase(name, '-');
      return name;
    });

TEST(MmcidVforkTest, DurationTakesThePlaceOfRounds) {
  const Ran ran = run("mmcid-vfork", "--duration=0.05 --rounds=1000000 --spin_ms=1 --pin=false");
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_GE(check_progress(ran.progress, 0), 1);
}

}  // namespace
}  // namespace ktrial
