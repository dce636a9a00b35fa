// Commands that need more than trials, by a Slurm of the test's own: a bisection, a kernel that is
// built first, a twin.
#include "harness/e2e/slurm_fixture.h"
#include "harness/kernel/build/build_testing.h"
#include "harness/kernel/kernel.h"

namespace ktrial::e2e {
namespace {

class SlurmWorkTest : public SlurmFixture {
 protected:
  std::size_t tasks_done() const { return slurm().tasks("COMPLETED").size(); }
};

TEST_F(SlurmWorkTest, ABisectionOfPackagesHandsItsTrialsOver) {
  REQUIRE_SLURM({.cpus = 4});
  REQUIRE_KERNEL(kBadKernel);
  REQUIRE_KERNEL(kFixedKernel);
  // 6.19.6 and 6.19.14, side by side: the ends are tested, and that is all.
  const auto result = run({"bisect",
                           "--packages",
                           "linux-image-6.19.[16][+4]*-cloud-amd64",
                           "--bad",
                           "6.19.6",
                           "--good",
                           "6.19.14",
                           "--workload",
                           "mmcid-vfork",
                           "--set",
                           "rounds=10",
                           "--rate",
                           "0.9",
                           "--background",
                           "0",
                           "--parallel",
                           "2",
                           "--engine",
                           "slurm",
                           "--results",
                           results()});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.out.find("first good  linux-image-6.19.14"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("mm_get_cid"), std::string::npos) << result.out;
  EXPECT_GE(tasks_done(), 3u) << "it was Slurm that ran them";
}

// A tree whose build gives a real kernel at once, and tells that it was built.
TEST_F(SlurmWorkTest, AKernelOfGitIsBuiltOnceForAllTasks) {
  REQUIRE_SLURM();
  REQUIRE_KERNEL(kFixedKernel);
  const auto real = kernel::resolve(*kernel::parse_reference(kFixedKernel),
                                    {.cache_dir = *kernel::default_cache_dir()});
  ASSERT_TRUE(real) << real.error().message;
  kernel::testing::FakeLinux source;
  const std::string built = root() / "built";
  // Its scheduling policy, proc_pid_stat(5) field 41: 0 is that of everybody.
  source.object_recipe("case $1 in\n*/fork.c) cut -d ' ' -f 41 /proc/self/stat >> " + built +
                       "; cp " + real->image.string() + " $2 ;;\n*) : > $2 ;;\nesac");
  source.commit("one that boots");
  const auto result =
      run({"run",       "--kernel", "git:HEAD", "--tree",   source.tree(), "--engine", "slurm",
           "--results", results(),  "--repeat", "3",        "--cpus",      "1",        "--memory",
           "256M",      "--start",  "cold",     "--format", "json",        "--",       "true"});
  EXPECT_EQ(result.exit, 0) << result.err;
  const auto json = result.json();
  ASSERT_TRUE(json.is_object()) << result.out;
  EXPECT_EQ(json["trials"].size(), 3u) << result.out;
  EXPECT_EQ(read_file(built).value_or(""), "0\n") << "once, and not on what others leave";
  EXPECT_EQ(tasks_done(), 4u) << "the build is one";
}

TEST_F(SlurmWorkTest, ATwinIsSoughtByTasks) {
  REQUIRE_SLURM({.cpus = 4});
  REQUIRE_KERNEL(k612Kernel);
  const auto first =
      run({"run", "--results", results(), "--kernel", k612Kernel, "--workload", "inject", "--set",
           "fault=deadlock", "--memory", "256M", "--format", "json"});
  ASSERT_EQ(first.exit, 1) << first.out << first.err;
  const auto twin =
      run({"replay", std::string(first.json()["id"]), "--find-twin", "--jobs", "2", "--budget",
           "5m", "--offline", "--engine", "slurm", "--results", results(), "--format", "json"});
  ASSERT_EQ(twin.exit, 1) << twin.out << twin.err;
  EXPECT_EQ(twin.json()["twin"]["signature"], trial(first)["signature"]) << twin.out;
  EXPECT_GE(tasks_done(), 1u) << "the other one may have been called off";
}

}  // namespace
}  // namespace ktrial::e2e
