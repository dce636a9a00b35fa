#include "harness/spec/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::spec {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

TEST(FleetFileTest, TakesAllKeys) {
  const auto fleet = parse_fleet(R"(
[slurm]
partition = "debug"
account = "kernel"
qos = "low"
constraint = "bigmem"
kvm = "kvm"
sbatch = ["--nice=100"]
program = "/shared/ktrial/bin/ktrial"
cache = "/var/tmp/ktrial"
fetch = ["scp", "-q", "desk:{from}", "{to}"]
send = ["scp", "-q", "{from}", "desk:{to}"]
scratch = "/scratch"
largest_array = 100
attempts = 2
poll = "30s"
[hosts]
uris = ["qemu+ssh://lab1/system", "qemu+ssh://lab2/system"]
)",
                                 "f.toml");
  ASSERT_TRUE(fleet) << fleet.error().message;
  EXPECT_EQ(fleet->slurm.partition, "debug");
  EXPECT_EQ(fleet->slurm.poll, std::chrono::seconds(30));
  EXPECT_THAT(fleet->slurm.sbatch, ElementsAre("--nice=100"));
  EXPECT_THAT(fleet->slurm.courier.fetch, ElementsAre("scp", "-q", "desk:{from}", "{to}"));
  EXPECT_THAT(fleet->slurm.courier.send, ElementsAre("scp", "-q", "{from}", "desk:{to}"));
  EXPECT_EQ(fleet->slurm.courier.scratch, "/scratch");
  EXPECT_TRUE(fleet->slurm.courier.used());
  EXPECT_EQ(fleet->hosts.size(), 2u);
  EXPECT_EQ(*parse_fleet("", "f.toml"), Fleet{});
}

TEST(FleetFileTest, ProblemsAreToldWithFileLineAndKey) {
  const auto fleet = parse_fleet(R"([slurm]
partion = "debug"
sbatch = ["nice", "--array=1-9"]
program = "ktrial"
poll = "1s"
attempts = "many"
fetch = ["scp", "{from}"]
scratch = "tmp"
[hosts]
uris = ["lab1", "qemu:///system", "qemu:///system"]
)",
                                 "f.toml");
  ASSERT_FALSE(fleet);
  EXPECT_EQ(fleet.error().kind, ErrorKind::usage);
  for (const char* part :
       {"f.toml:2: slurm.partion: ", "did you mean 'partition'?",
        "f.toml:3: slurm.sbatch: 'nice' is no flag", "'--array' is ktrial's own",
        "f.toml:4: slurm.program: must be an absolute path",
        "f.toml:5: slurm.poll: must be at least 5s", "f.toml:6: slurm.attempts: ",
        "f.toml:7: slurm.fetch: has no {to}", "fetch and send go together, and one is missing",
        "f.toml:8: slurm.scratch: must be an absolute path",
        "f.toml:10: hosts.uris: 'lab1' is no libvirt URI", "'qemu:///system' stands there twice"})
    EXPECT_THAT(fleet.error().message, HasSubstr(part));
}

}  // namespace
}  // namespace ktrial::spec
