// Bisections of real kernels, and ktrial as the test of `git bisect run`.
#include <signal.h>

#include <fstream>

#include "harness/base/command.h"
#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class BisectTest : public E2eTest {
 protected:
  void git(std::vector<std::string> words) {
    words.insert(words.begin(), {"git", "-C", repository().string(), "-c", "user.name=Test", "-c",
                                 "user.email=test@localhost"});
    const auto output = run_command(words);
    ASSERT_TRUE(output && output->ok()) << (output ? output->err : output.error().message);
  }
  fs::path repository() const { return root() / "repository"; }
  void commit(const std::string& program, const std::string& subject) {
    std::ofstream(repository() / "program") << program << "\n";
    std::ofstream(repository() / "subject") << subject << "\n";
    git({"add", "-A"});
    git({"commit", "-q", "-m", subject});
  }
};

TEST_F(BisectTest, GitBisectRunTakesTheExitCodesAsTheyAre) {
  REQUIRE_KERNEL(kKernel);
  fs::create_directory(repository());
  git({"init", "-q"});
  for (int i = 1; i <= 8; ++i)
    commit(i < 6 ? "/bin/true" : "/bin/false", "change " + std::to_string(i));
  git({"bisect", "start", "HEAD", "HEAD~7"});
  const std::string test =
      std::string("exec ") + KTRIAL_PROGRAM + " run --start warm -- $(cat program)";
  program_ = "/usr/bin/env";
  const auto result = run({"git", "-C", repository().string(), "bisect", "run", "sh", "-c", test});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.out.find("is the first bad commit"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("change 6"), std::string::npos) << result.out;
}

// A trouble of ktrial's own must not make git blame a commit.
TEST_F(BisectTest, GitBisectRunStopsWhenKtrialCannotWork) {
  fs::create_directory(repository());
  git({"init", "-q"});
  for (int i = 1; i <= 4; ++i) commit("/bin/true", "change " + std::to_string(i));
  git({"bisect", "start", "HEAD", "HEAD~3"});
  program_ = "/usr/bin/env";
  const auto result = run({"git", "-C", repository().string(), "bisect", "run", KTRIAL_PROGRAM,
                           "run", "--kernel", "deb:linux-image-nowhere", "--offline"});
  EXPECT_NE((result.out + result.err).find("exit code 128"), std::string::npos)
      << result.out << result.err;
  EXPECT_EQ(result.out.find("is the first bad commit"), std::string::npos) << result.out;
}

TEST_F(BisectTest, ThePackageThatMendsTheModelRegressionIsFoundThoughInterrupted) {
  REQUIRE_KERNEL(kBadKernel);
  REQUIRE_KERNEL("deb:linux-binary-6.19.10+deb13-cloud-amd64");
  // 6.19.6, 6.19.8 and 6.19.10; with what is known of the failure, half a dozen runs are enough. It
  // comes in the first rounds.
  const std::vector<std::string> arguments = {
      "bisect",  "--packages",   "linux-image-6.19.?[+0]*-cloud-amd64",
      "--bad",   "6.19.6",       "--good",
      "6.19.10", "--workload",   "mmcid-vfork",
      "--set",   "rounds=10",    "--rate",
      "0.9",     "--background", "0"};
  {
    Running running = start(arguments);
    ASSERT_TRUE(eventually([&] { return running.err().find(": bad after") != std::string::npos; },
                           std::chrono::seconds(240)))
        << running.err();
    running.signal(SIGINT);
    const auto interrupted = running.wait();
    EXPECT_EQ(interrupted.exit, 130) << interrupted.err;
    EXPECT_NE(interrupted.err.find("ktrial bisect --resume"), std::string::npos);
  }
  const auto result = run({"bisect", "--resume", "last"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.out.find("first good  linux-image-6.19.10"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("parent      linux-image-6.19.8"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("mm_get_cid"), std::string::npos) << result.out;
}

TEST_F(BisectTest, EndsThatMakeNoSenseAreUsageErrors) {
  REQUIRE_KERNEL(kBadKernel);
  const std::string pattern = "linux-image-6.19*-cloud-amd64";
  for (const auto& [good, bad] : {std::pair{"6.19.6", "6.19.6"}, {"6.12.1", "6.19.6"}}) {
    const auto result = run({"bisect", "--packages", pattern, "--good", good, "--bad", bad});
    EXPECT_EQ(result.exit, 129) << result.err;
    EXPECT_NE(result.err.find(good), std::string::npos) << result.err;
  }
  EXPECT_EQ(run({"bisect", "--good", "x", "--bad", "y"}).exit, 129);
  const auto rates = run({"bisect", "--packages", pattern, "--good", "6.18.15", "--bad", "6.19.6",
                          "--rate", "0.1", "--background", "0.2"});
  EXPECT_EQ(rates.exit, 129);
  EXPECT_NE(rates.err.find("fail rates 0.1 with the bug and 0.2 without it"), std::string::npos)
      << rates.err;
  EXPECT_EQ(run({"bisect", "--resume", (root() / "nothing").string()}).exit, 129);
}

}  // namespace
}  // namespace ktrial::e2e
