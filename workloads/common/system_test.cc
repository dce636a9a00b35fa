#include "workloads/common/system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::workload {
namespace {

TEST(CpuListTest, IsReadAndWrittenAsTheKernelDoes) {
  for (const char* text : {"", "0", "0-2,5", "1,3,5", "0-8191", "7-8,10-12"}) {
    const auto cpus = parse_cpu_list(text);
    ASSERT_TRUE(cpus) << text;
    EXPECT_EQ(cpu_list(*cpus), text);
  }
  EXPECT_THAT(parse_cpu_list("0-2,5\n").value(), testing::ElementsAre(0, 1, 2, 5));
}

TEST(CpuListTest, WhatIsNoneIsRefused) {
  for (const char* bad : {",", "0,", "-1", "1-", "2-1", "1-1", "3,2", "0,0", "0-3,2", "a", "0 1",
                          "8192", "0-8192", "99999999999", "0:1", "\n\n"})
    EXPECT_FALSE(parse_cpu_list(bad)) << bad;
}

TEST(WriteFileTest, AnErrorIsItsErrno) {
  EXPECT_EQ(write_file("/no/such/file", "x"), ENOENT);
  EXPECT_EQ(write_file("/dev/full", "x"), ENOSPC);
  EXPECT_EQ(write_file("/dev/null", "x"), 0);
}

}  // namespace
}  // namespace ktrial::workload
