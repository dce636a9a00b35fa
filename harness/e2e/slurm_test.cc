// The same jobs by a Slurm of the test's own.
#include <signal.h>

#include <set>

#include "harness/e2e/slurm_fixture.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class SlurmTest : public SlurmFixture {};

// What a night comes to is its plan's, whoever runs it.
TEST_F(SlurmTest, ASmallPlanComesToTheSameCellsAsHere) {
  REQUIRE_SLURM();
  REQUIRE_KERNEL(kKernel);
  const std::string file = plan(2);
  const auto here = run({"campaign", "run", file, "--format", "json"}).json();
  const auto there = run(
      {"campaign", "run", file, "--engine", "slurm", "--results", results(), "--format", "json"});
  EXPECT_EQ(there.exit, 0) << there.err;
  const auto json = there.json();
  ASSERT_TRUE(here.is_object() && json.is_object()) << there.out;
  ASSERT_EQ(json["cells"].size(), 2u);
  int trials = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    trials += json["cells"][i]["trials"].get<int>();
    // A boot that TCG loses is no verdict: another trial takes its place.
    for (const char* key : {"axes", "pass", "fail", "state"})
      EXPECT_EQ(json["cells"][i][key], here["cells"][i][key]) << key;
  }
  EXPECT_GE(trials, 4);
  EXPECT_EQ(records(), trials);
  EXPECT_FALSE(fs::exists(fs::path(results()) / "fleet" / json["night"].get<std::string>()))
      << "nothing of the fleet is left";
  EXPECT_FALSE(slurm().tasks("COMPLETED").empty()) << "it was Slurm that ran them";
}

TEST_F(SlurmTest, ATaskThatIsKilledIsNamedAndGoesOnceMore) {
  REQUIRE_SLURM();
  REQUIRE_KERNEL(kKernel);
  Running running = start_endless(1, "run");
  const auto both = tasks_of_ktrial();
  ASSERT_EQ(both.size(), 1u);
  ::kill(both.front(), SIGKILL);
  ASSERT_TRUE(eventually(
      [&] { return running.err().find("a job was lost on desk: ") != std::string::npos; },
      std::chrono::seconds(90)))
      << running.err();
  EXPECT_NE(running.err().find("it goes once more"), std::string::npos);
  ASSERT_TRUE(eventually([&] { return count(running.err(), "running sleep") == 2; },
                         std::chrono::seconds(240)))
      << running.err();
  // Ctrl-C cancels all.
  running.signal(SIGINT);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 130) << result.err;
  EXPECT_TRUE(eventually([&] { return slurm().tasks("RUNNING,PENDING,COMPLETING").empty(); }));
  EXPECT_TRUE(eventually([&] { return processes().empty(); }));
}

TEST_F(SlurmTest, KilledAndResumedItsTasksAreAdopted) {
  REQUIRE_SLURM();
  REQUIRE_KERNEL(kKernel);
  const std::string file = plan(2, "['sleep', '6']");
  const std::vector<std::string> more = {"--engine", "slurm", "--results", results()};
  {
    Running night = start(with({"campaign", "run", file}, more));
    ASSERT_TRUE(eventually([&] { return records() >= 1; }, std::chrono::seconds(240)))
        << night.err();
    night.signal(SIGKILL);
    night.wait();
  }
  EXPECT_FALSE(slurm().tasks("RUNNING,PENDING").empty()) << "its tasks go on";
  const auto result = run(with({"campaign", "resume", "small", "--format", "json"}, more));
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.err.find("of an earlier process are with the scheduler"), std::string::npos)
      << result.err;
  const auto json = result.json();
  ASSERT_TRUE(json.is_object()) << result.out;
  for (const auto& cell : json["cells"]) EXPECT_EQ(cell["pass"], 2) << json;
  EXPECT_EQ(records(), 4) << "lost or doubled";
}

// The node is a desk of its own: what comes and goes is copied.
TEST_F(SlurmTest, WithoutASharedFolderRunsAreCarriedBack) {
  REQUIRE_SLURM();
  REQUIRE_KERNEL(kKernel);
  const std::string door = root() / "door", scratch = root() / "scratch";
  fs::create_directories(scratch);
  if (const auto hidden = slurm().hide_from_node(results(), door); !hidden)
    GTEST_SKIP() << "nothing can be hidden from a node here: " << hidden.error().message;
  const auto fleet = root() / "f.toml";
  ASSERT_TRUE(write_file_atomically(fleet, "[slurm]\nfetch = ['cp', '" + door +
                                               "{from}', '{to}']\nsend = ['cp', '{from}', '" +
                                               door + "{to}']\nscratch = '" + scratch + "'\n"));
  const std::vector<std::string> more = {"--engine",     "slurm",     "--fleet",
                                         fleet.string(), "--results", results()};
  const auto doctor = run(with({"doctor"}, more));
  EXPECT_EQ(doctor.exit, 0) << doctor.err << doctor.out;
  EXPECT_NE(doctor.out.find("a task on node desk reaches " + results()), std::string::npos);
  const std::string file = plan(2, "['sleep', '6']");
  {
    Running night = start(with({"campaign", "run", file}, more));
    ASSERT_TRUE(eventually([&] { return records() >= 1; }, std::chrono::seconds(240)))
        << night.err();
    night.signal(SIGKILL);
    night.wait();
  }
  const auto result = run(with({"campaign", "resume", "small", "--format", "json"}, more));
  EXPECT_EQ(result.exit, 0) << result.err;
  const auto json = result.json();
  ASSERT_TRUE(json.is_object()) << result.out;
  for (const auto& cell : json["cells"]) EXPECT_EQ(cell["pass"], 2) << json;
  EXPECT_EQ(records(), 4) << "lost or doubled";
  EXPECT_TRUE(eventually([&] { return fs::is_empty(scratch); })) << "the node keeps nothing";
  EXPECT_TRUE(eventually([&] { return processes().empty(); }));
}

TEST_F(SlurmTest, DoctorAsksANode) {
  REQUIRE_SLURM();
  const auto result = run({"doctor", "--engine", "slurm", "--results", results()});
  EXPECT_EQ(result.exit, 0) << result.err << result.out;
  EXPECT_NE(result.out.find("Slurm: 2 CPUs and 6000 MiB on nodes that are up"), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("a task on node desk sees " + results()), std::string::npos);
  EXPECT_NE(result.out.find("    ok      QEMU "), std::string::npos) << result.out;
  // A ktrial that is not there.
  ASSERT_TRUE(
      write_file_atomically(root() / "f.toml", "[slurm]\nprogram = '/nonexistent/ktrial'\n"));
  const auto missing = run({"doctor", "--engine", "slurm", "--results", results(), "--fleet",
                            (root() / "f.toml").string()});
  EXPECT_EQ(missing.exit, 128) << missing.err;
  EXPECT_NE(missing.out.find("slurm.program in the fleet file"), std::string::npos) << missing.out;
  ASSERT_TRUE(write_file_atomically(root() / "f.toml", "[slurm]\npartition = 'nowhere'\n"));
  const auto nowhere =
      run({"doctor", "--engine", "slurm", "--fleet", (root() / "f.toml").string()});
  EXPECT_EQ(nowhere.exit, 128);
  EXPECT_NE(nowhere.err.find("in partition nowhere"), std::string::npos) << nowhere.err;
}

class NoSlurmTest : public E2eTest {};

TEST_F(NoSlurmTest, BadFleetFilesAndMissingProgramsAreNamed) {
  ASSERT_TRUE(write_file_atomically(root() / "f.toml", "[slurm]\npartion = 'x'\n"));
  const auto bad = run({"run", "--engine", "slurm", "--fleet", (root() / "f.toml").string()});
  EXPECT_EQ(bad.exit, 129);
  EXPECT_NE(bad.err.find("f.toml:2: slurm.partion: "), std::string::npos) << bad.err;
  environment_["PATH"] = root().string();
  const auto none = run({"run", "--engine", "slurm"});
  EXPECT_EQ(none.exit, 128);
  EXPECT_NE(none.err.find("sinfo is not installed"), std::string::npos) << none.err;
}

}  // namespace
}  // namespace ktrial::e2e
