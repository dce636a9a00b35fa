// A failing run, bundled, and replayed where nothing of the first host is: another HOME, another
// cache, another store.
#include "harness/e2e/e2e.h"
#include "results/schema_check.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class ReplayTest : public E2eTest {
 protected:
  void move_house() {
    const fs::path home = root() / "other";
    fs::create_directories(home / "home");
    environment_["HOME"] = home / "home";
    environment_["XDG_STATE_HOME"] = home / "state";
    environment_["XDG_CACHE_HOME"] = home / "cache";
  }
};

TEST_F(ReplayTest, ABundleFailsInTheSameWayElsewhere) {
  REQUIRE_KERNEL(kKernel);
  REQUIRE_DIRECT_QEMU("a replay is QEMU's, whoever ran the first trial");
  const auto first = run({"run", "--cpus", "1", "--format", "json", "--", "/bin/sh", "-c",
                          "echo TAP version 13; echo 1..2; echo ok 1 fine; echo not ok 2 broken"});
  ASSERT_EQ(first.exit, 1) << first.out << first.err;
  const std::string signature = first.json()["signature"], file = root() / "bug.ktrial";
  const auto written = run({"report", "last", "--bundle", file, "--format", "json"});
  ASSERT_EQ(written.exit, 0) << written.err;
  const auto kept = run({"replay", "last", "--judge", "--format", "json"});
  EXPECT_EQ(kept.exit, 1) << kept.err;

  move_house();
  const auto judged = run({"replay", file, "--judge", "--format", "json"}).json();
  ASSERT_EQ(judged["trials"].size(), 1u) << judged;
  EXPECT_TRUE(judged["trials"][0]["changes"].empty()) << judged;
  EXPECT_TRUE(judged["trials"][0]["assumed"].empty()) << judged;

  const auto again = run({"replay", file, "--offline", "--format", "json"});
  EXPECT_EQ(again.exit, 1) << again.err;
  const auto json = again.json();
  EXPECT_EQ(json["same"], 1) << again.out;
  EXPECT_EQ(json["run"]["signature"], signature);
  EXPECT_EQ(json["then"]["signature"], signature);
  for (const auto& difference : json["differences"])
    EXPECT_NE(difference["what"], "kernel image (SHA-256)") << again.out;
  results::expect_schema(again.out, "replay");

  const auto compared = run({"replay", file, "--diff", "last", "--format", "json"}).json();
  EXPECT_EQ(compared["same_verdict"], true) << compared;
  EXPECT_EQ(temporary_files(), std::vector<std::string>());
}

}  // namespace
}  // namespace ktrial::e2e
