// Runs the built workloads natively, with tiny amounts: exit statuses, progress
// lines on descriptor 3, and refusal of what they do not know.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

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

constexpr const char* kAll[] = {"cpuacct",     "debug-events", "fork-storm",  "int3-poke",
                                "locktorture", "lockup-bait",  "mmcid-vfork", "nmi-backtrace",
                                "rcu-storm",   "rcutorture",   "scftorture",  "sched-storm",
                                "smoke",       "vfork-storm",  "vsock-listen"};

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
  std::string line = with_progress
                         ? "KTRIAL_PROGRESS_FD=3 exec '" + program + "' " + arguments + " 3>'" +
                               progress.string() + "'"
                         : "KTRIAL_PROGRESS_FD=3 exec '" + program + "' " + arguments + " 3>&-";
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

TEST_P(EveryWorkload, RunsWhenTheProgressDescriptorIsClosed) {
  const Ran ran = run(GetParam().name, GetParam().tiny, false);
  EXPECT_EQ(ran.status, 0) << ran.out;
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

TEST(ArgumentsTest, WhatIsNotKnownIsRefusedWithTheList) {
  for (const char* name : kAll) {
    for (const char* bad : {"--duration=0 --no-such-thing=1", "--duration=soon", "--duration=-1",
                            "--duration=nan", "--duration=", "--duration", "5", "--"}) {
      const Ran ran = run(name, bad);
      EXPECT_EQ(ran.status, 2) << name << ' ' << bad;
      EXPECT_THAT(ran.out, HasSubstr("--duration=SECONDS")) << name << ' ' << bad;
      EXPECT_TRUE(ran.progress.empty()) << name << ' ' << bad;
    }
  }
}

TEST(ArgumentsTest, BadValuesAreRefused) {
  const std::pair<const char*, const char*> kBad[] = {
      {"mmcid-vfork", "--pin=yes"},         {"mmcid-vfork", "--rounds=0"},
      {"mmcid-vfork", "--rounds=1x"},       {"mmcid-vfork", "--spin_ms=99999999999999999999"},
      {"fork-storm", "--variant=vfork"},    {"vfork-storm", "--variant=fork"},
      {"vfork-storm", "--child="},          {"vsock-listen", "--port=70000"},
      {"vsock-listen", "--peer=loopback "}, {"mmcid-vfork", "--overcommit=0"},
      {"vsock-listen", "--jitter_us=-1"},   {"cpuacct", "--plant=everything"},
      {"debug-events", "--clients=17"}};
  for (const auto& [name, bad] : kBad) {
    const Ran ran = run(name, "--duration=0 '" + std::string(bad) + "'");
    EXPECT_EQ(ran.status, 2) << name << ' ' << bad;
    EXPECT_THAT(ran.out, HasSubstr("bad value")) << name << ' ' << bad;
  }
}

TEST(MmcidVforkTest, DurationTakesThePlaceOfRounds) {
  const Ran ran = run("mmcid-vfork", "--duration=0.05 --rounds=1000000 --spin_ms=1 --pin=false");
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_GE(check_progress(ran.progress, 0), 1);
}

TEST(MmcidVforkTest, TheKnobsKeepItHealthy) {
  const Ran ran =
      run("mmcid-vfork", "--rounds=2 --spin_ms=1 --cpus=1 --overcommit=3 --jitter_us=300 --seed=9");
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("on 1 CPUs"));
  EXPECT_THAT(ran.out, HasSubstr("seed 9"));
  EXPECT_EQ(run("mmcid-vfork", "--cpus=1024").status, 2);
}

// Tracing may be forbidden here (a container), and the proc connector is for root.
TEST(DebugEventsTest, TracesItsClientsOrSaysWhyNot) {
  const Ran ran = run("debug-events", "--duration=0.3 --clients=2 --stages=3 --pairs=2");
  if (ran.status == 2) GTEST_SKIP() << ran.out;
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_GE(check_progress(ran.progress, 0), 1);
}

TEST(DebugEventsTest, WhatIsPlantedIsFound) {
  if (run("debug-events", "--duration=0.01 --clients=1 --session=staged").status == 2)
    GTEST_SKIP() << "tracing is forbidden here";
  for (const char* plant :
       {"gap", "duplicate", "dangling", "undestroyed", "ghost", "mismatch", "memory"}) {
    const Ran ran = run("debug-events", "--duration=0.01 --clients=2 --session=staged --plant=" +
                                            std::string(plant));
    EXPECT_EQ(ran.status, 1) << plant << ran.out;
    EXPECT_THAT(ran.out, HasSubstr("invariant broken: ")) << plant;
  }
}

TEST(StormTest, EveryVariantAndChildCanBeAskedFor) {
  const std::pair<const char*, std::vector<const char*>> kStorms[] = {
      {"fork-storm", {"fork", "clone3", "posix_spawn"}},
      {"vfork-storm", {"vfork", "clone_vfork", "clone3_vfork", "posix_spawn"}}};
  for (const auto& [name, variants] : kStorms) {
    for (const char* variant : variants) {
      for (const char* child : {"exit", "exec", "sleep", "spin", "killed"}) {
        const std::string arguments =
            "--duration=0.02 --processes=1 --threads=2 --hold_ms=1 "
            "--variant=" +
            std::string(variant) + " --child=" + child;
        const Ran ran = run(name, arguments);
        EXPECT_EQ(ran.status, 0) << name << ' ' << arguments << '\n' << ran.out;
      }
    }
  }
}

TEST(VsockListenTest, ServesLoopbackClientsOrSaysWhyNot) {
  const Ran ran = run("vsock-listen", "--duration=0.5 --peer=loopback --port=41024 --threads=2");
  if (ran.status == 2) {
    EXPECT_THAT(ran.out, HasSubstr("cannot run here: "));
    GTEST_SKIP() << ran.out;
  }
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_GE(check_progress(ran.progress, 0), 1);
}

TEST(GuestOnlyTest, OutsideATrialNothingIsDisturbed) {
  for (const char* name : {"int3-poke", "lockup-bait", "locktorture", "nmi-backtrace", "rcu-storm",
                           "rcutorture", "sched-storm", "scftorture"}) {
    const Ran ran = run(name, "--duration=0.05");
    EXPECT_EQ(ran.status, 2) << name << ' ' << ran.out;
    EXPECT_THAT(ran.out, HasSubstr("in the guest of a trial only")) << name;
  }
}

TEST(VsockListenTest, WithoutAHostItCannotRun) {
  const Ran ran = run("vsock-listen", "--duration=0.05 --port=41025 --threads=1");
  EXPECT_EQ(ran.status, 2) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("cannot run here: "));
}

}  // namespace
}  // namespace ktrial
