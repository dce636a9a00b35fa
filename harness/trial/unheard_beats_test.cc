#include "harness/trial/unheard_beats.h"

#include <gtest/gtest.h>

#include "harness/trace/fake_history.h"

namespace ktrial::trial {
namespace {
using trace::switch_at;
constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(UnheardBeatsTest, OfEachCpuTheLastTimeItsOwnThreadWentToSleep) {
  trace::History history;
  history.names = {{130, "beat-0"}, {131, "beat-1"}, {132, "beat-2"}, {9, "beat-10"}, {7, "init"}};
  history.moments = {
      switch_at(0, 90 * kSecond, 130, 0), switch_at(0, 161 * kSecond, 130, 0),
      // Its last one came; another CPU's thread on its way, and others' tasks, say nothing.
      switch_at(1, 99 * kSecond, 131, 0), switch_at(1, 170 * kSecond, 130, 0),
      switch_at(1, 170 * kSecond, 9, 0), switch_at(1, 171 * kSecond, 7, 0),
      switch_at(1, 172 * kSecond, 0, 131),
      // Never heard.
      switch_at(2, 170 * kSecond, 132, 0)};
  const auto after = unheard_beats(history, {{0, 100 * kSecond}, {1, 100 * kSecond}, {3, 1}});
  EXPECT_EQ(after, (std::map<unsigned, double>{{0, 61}, {1, 0}}));
  EXPECT_TRUE(unheard_beats({}, {{0, 1}}).empty());
}

}  // namespace
}  // namespace ktrial::trial
