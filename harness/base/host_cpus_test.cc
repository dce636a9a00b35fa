#include "harness/base/host_cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "harness/base/file.h"

namespace ktrial {
namespace {
namespace fs = std::filesystem;

class HostCpusTest : public testing::Test {
 protected:
  void put(const std::string& file, const std::string& text) {
    const fs::path path = dir_->path() / file;
    fs::create_directories(path.parent_path());
    ASSERT_TRUE(write_file_atomically(path, text));
  }
  std::optional<double> limit(const std::string& groups) {
    return cgroup_cpus(groups, dir_->path());
  }
  Result<TempDir> dir_ = TempDir::create();
};

TEST_F(HostCpusTest, TheLeastLimitOfTheGroupsAboveCounts) {
  put("a/cpu.max", "400000 100000\n");
  put("a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(limit("0::/a/b\n"), 4.0);
  put("a/b/cpu.max", "150000 100000\n");
  EXPECT_EQ(limit("0::/a/b\n"), 1.5);
  EXPECT_EQ(limit("0::/other\n"), std::nullopt);
}

// A container on a host without a namespace for groups: the path is the host's, the mount its own.
TEST_F(HostCpusTest, AMountedGroupIsFoundByItsTop) {
  put("cpu.max", "200000 100000\n");
  EXPECT_EQ(limit("0::/\n"), 2.0);
  EXPECT_EQ(limit("0::/system.slice/docker-1.scope\n"), 2.0);
}

TEST_F(HostCpusTest, VersionOneHasTwoFiles) {
  put("cpu,cpuacct/docker/1/cpu.cfs_quota_us", "300000\n");
  put("cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(limit("7:pids:/docker/1\n5:cpu,cpuacct:/docker/1\n0::/\n"), 3.0);
  put("cpu,cpuacct/docker/1/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(limit("5:cpu,cpuacct:/docker/1\n"), std::nullopt);
}

TEST_F(HostCpusTest, WhatIsNoLimitIsNone) {
  put("cpu.max", "what 100000\n");
  for (const char* groups : {"", "\n", "0:", "0::/\n", "x", "5:cpu:/../..\n"})
    EXPECT_EQ(limit(groups), std::nullopt) << groups;
}

TEST_F(HostCpusTest, FewerCpusMayBeUsedThanThereAre) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(host_cpus(), 1);
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace ktrial
