// Bugs that were planted, found again in deterministic machines.
#include "harness/e2e/e2e.h"
#include "results/schema_check.h"

namespace ktrial::e2e {
namespace {

class DeterministicDrill : public E2eTest {};

// Two CPUs take two locks in two orders; when they meet is chance, in a machine of many threads.
TEST_F(DeterministicDrill, APlantedDeadlockHasATwin) {
  REQUIRE_KERNEL(k612Kernel);
  REQUIRE_DIRECT_QEMU("libvirt's machines are not deterministic");
  const auto first = run({"run", "--kernel", k612Kernel, "--workload", "inject", "--set",
                          "fault=deadlock", "--memory", "256M", "--format", "json"});
  ASSERT_EQ(first.exit, 1) << first.out << first.err;
  EXPECT_EQ(first.json()["culprit"], "ktrial_lock_order") << first.out;
  const auto twin = run({"replay", std::string(first.json()["id"]), "--find-twin", "--budget", "5m",
                         "--offline", "--format", "json"});
  ASSERT_EQ(twin.exit, 1) << twin.out << twin.err;
  results::expect_schema(twin.out, "replay");
  EXPECT_EQ(twin.json()["twin"]["signature"], trial(first)["signature"]) << twin.out;
}

}  // namespace
}  // namespace ktrial::e2e
