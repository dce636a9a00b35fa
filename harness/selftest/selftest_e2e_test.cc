// A few faults in real VMs: whether the machinery works. The whole table is
// selftest_drill_test.cc.
#include <nlohmann/json.hpp>

#include "harness/selftest/testing.h"

namespace ktrial::selftest {
namespace {

using SelftestE2eTest = RealVms;

TEST_F(SelftestE2eTest, AStallAnOopsACrashAndNothingAreToldApart) {
  const auto output = selftest({"--only", "soft_lockup", "--only", "oops", "--only", "user_crash",
                                "--only", "none", "--format", "json"});
  EXPECT_EQ(output.exit_status, 0) << output.out << output.err;
  const auto document = nlohmann::json::parse(output.out, nullptr, false);
  ASSERT_TRUE(document.is_object()) << output.out;
  EXPECT_EQ(document["detected"], 4) << output.out;
  for (const auto& fault : document["faults"]) {
    EXPECT_EQ(fault["status"], "detected") << fault;
    EXPECT_TRUE(fault["seconds"].is_number()) << fault;
  }
}

// The newest kernel of the suites when this was written. What later ones change, the drift shows.
TEST_F(SelftestE2eTest, OfASilentStallOnANewKernelRamTellsAll) {
  constexpr char kNew[] = "deb:linux-binary-7.3.4+deb13-cloud-amd64";
  if (const std::string why = why_not(kNew); !why.empty()) GTEST_SKIP() << why;
  const auto output = selftest({"--kernel", kNew, "--only", "hard_lockup_all", "--format", "json"});
  EXPECT_EQ(output.exit_status, 0) << output.out << output.err;
  const auto document = nlohmann::json::parse(output.out, nullptr, false);
  ASSERT_TRUE(document.is_object()) << output.out;
  for (const char* part : {"symbols", "types", "tasks", "stacks", "log", "trace"})
    EXPECT_EQ(document["introspection"].value(part, "not looked at"), "yes") << part;
  const std::string artifacts = document["faults"][0]["artifacts"];
  check_autopsy(artifacts, "ktrial_hard_lockup_all");
  check_command_line(artifacts);
}

// The user's words win: the guest gets its own init back, and boots.
TEST_F(SelftestE2eTest, AFaultThatIsMissedEndsItWithOne) {
  const auto output = selftest({"--only", "early_hang", "--append", "rdinit=/init"});
  EXPECT_EQ(output.exit_status, 1) << output.out << output.err;
  EXPECT_NE(output.out.find("MISSED early_hang: got "), std::string::npos) << output.out;
}

TEST_F(SelftestE2eTest, AnUnknownFaultIsAUsageError) {
  const auto output = selftest({"--only", "hiccup"});
  EXPECT_EQ(output.exit_status, 129);
  EXPECT_NE(output.err.find("soft_lockup"), std::string::npos);
}

}  // namespace
}  // namespace ktrial::selftest
