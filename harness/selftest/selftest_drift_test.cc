// The newest kernel of the machine's Debian suites: what ktrial sees of it. A failure names the
// structure that is not found, and is no defect of a change to ktrial: the kernel has moved on.
#include "harness/kernel/deb/catalog.h"
#include "harness/selftest/testing.h"

namespace ktrial::selftest {
namespace {

using SelftestDriftTest = RealVms;

TEST_F(SelftestDriftTest, ASilentStallAnOopsAndAWarningOfTheNewestKernel) {
  const auto cache = kernel::default_cache_dir();
  ASSERT_TRUE(cache);
  const auto kernels = kernel::list_packages("linux-image-*-cloud-amd64", {.cache_dir = *cache});
  ASSERT_TRUE(kernels) << kernels.error().message;
  const std::string newest = kernels->back().reference();
  const std::string no_module = why_not(newest);
  EXPECT_EQ(no_module, "") << "no fault can be planted in " << newest;

  const auto output = selftest({"--kernel", newest, "--only", "none", "--only", "hard_lockup_all",
                                "--only", "oops", "--only", "warn", "--format", "json"});
  const auto document = nlohmann::json::parse(output.out, nullptr, false);
  ASSERT_TRUE(document.is_object()) << newest << ": " << output.out << output.err;
  for (const char* part : {"symbols", "types", "tasks", "stacks", "log", "trace"})
    EXPECT_EQ(document["introspection"].value(part, "not looked at"), "yes")
        << part << " of " << newest;
  for (const auto& fault : document["faults"]) {
    EXPECT_EQ(fault["status"], "detected") << newest << ": " << fault.dump(2);
    const std::string artifacts = fault["artifacts"];
    if (fault["planted"] == "hard_lockup_all") check_autopsy(artifacts, "ktrial_hard_lockup_all");
    if (fault["planted"] == "none") check_command_line(artifacts);
  }
}

}  // namespace
}  // namespace ktrial::selftest
