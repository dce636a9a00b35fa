#include "workloads/cpuacct/reading.h"

#include <gtest/gtest.h>

namespace ktrial::cpuacct {
namespace {

using Numbers = std::vector<std::uint64_t>;

TEST(CpuacctReadingTest, NumberIsOneLine) {
  EXPECT_EQ(parse_number("18446744073709551615\n"), ~std::uint64_t{0});
  for (const char* bad : {"", "\n", "1", "-1\n", "1\n2\n", "18446744073709551616\n", " 1\n"})
    EXPECT_EQ(parse_number(bad), std::nullopt) << bad;
}

TEST(CpuacctReadingTest, PerCpuIsOneLineOfNumbers) {
  EXPECT_EQ(parse_percpu("12 0 7 \n"), (Numbers{12, 0, 7}));
  for (const char* bad : {"", "\n", "1 x \n", "1  2 \n", "1 \n2 \n", "-1 \n"})
    EXPECT_EQ(parse_percpu(bad), std::nullopt) << bad;
}

TEST(CpuacctReadingTest, AllNamesEveryCpuInOrder) {
  V1 v1;
  ASSERT_TRUE(parse_all("cpu user system\n0 4000000 0\n1 8 9\n", v1));
  EXPECT_EQ(v1.all_user, (Numbers{4000000, 8}));
  EXPECT_EQ(v1.all_sys, (Numbers{0, 9}));
  for (const char* bad : {"", "cpu user system\n", "0 1 2\n", "cpu user system\n1 1 2\n",
                          "cpu user system\n0 1\n", "cpu user system\n0 1 2 3\n"})
    EXPECT_FALSE(parse_all(bad, v1)) << bad;
}

TEST(CpuacctReadingTest, AKeyIsThereOnce) {
  EXPECT_EQ(parse_key("user 5\nsystem 7\n", "system"), 7u);
  EXPECT_EQ(parse_key("user 5\nuser 5\n", "user"), std::nullopt);
  EXPECT_EQ(parse_key("user_x 5\n", "user"), std::nullopt);
  EXPECT_EQ(parse_key("user five\n", "user"), std::nullopt);
}

TEST(CpuacctReadingTest, CpuStatOfOldAndNewKernels) {
  EXPECT_EQ(parse_cpu_stat("usage_usec 30\nuser_usec 10\nsystem_usec 20\n"), (V2{30, 10, 20}));
  EXPECT_EQ(parse_cpu_stat("usage_usec 30\nuser_usec 10\nsystem_usec 20\nnice_usec 0\n"
                           "core_sched.force_idle_usec 0\nnr_periods 0\n"),
            (V2{30, 10, 20}));
  EXPECT_EQ(parse_cpu_stat("usage_usec 30\nuser_usec 10\n"), std::nullopt);
}

TEST(CpuacctReadingTest, ProcStatIsTheSumWithoutGuestTime) {
  EXPECT_EQ(parse_proc_stat("cpu  1 2 3 4 5 6 7 8 100 100\ncpu0 9 9 9 9 9 9 9 9 9 9\n"), 36u);
  EXPECT_EQ(parse_proc_stat("cpu0 1 2 3 4 5 6 7 8 0 0\n"), std::nullopt);
  EXPECT_EQ(parse_proc_stat("cpu  1 2 3\n"), std::nullopt);
}

}  // namespace
}  // namespace ktrial::cpuacct
