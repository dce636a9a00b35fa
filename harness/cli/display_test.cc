#include "harness/cli/display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::cli {
namespace {
using ::testing::ElementsAre;

TEST(BoardTest, EachJobThatRunsHasARowWithWhatItSaysNow) {
  Board board;
  for (const JobNumber job : {1, 2, 3}) board.begin(job, "cpus=" + std::to_string(job));
  board.take(1, {1, 0, run::Step{"booting"}});
  board.take(2, {1, std::nullopt, run::Step{"kernel 6.1"}});
  EXPECT_THAT(board.rows(80, 10),
              ElementsAre("[1] cpus=1: trial 0: booting", "[2] cpus=2: kernel 6.1"));
  board.take(1, {2, 0, run::Progress{3, 9, "rounds"}});
  board.end(2);
  board.take(3, {2, 1, run::TrialEnded{results::Outcome::fail, "WARNING in f", "", 2}});
  EXPECT_THAT(board.rows(80, 10),
              ElementsAre("[1] cpus=1: trial 0: 3/9 rounds",
                          "[3] cpus=3: trial 1: fail after 2.0 s: WARNING in f"));
}

TEST(BoardTest, TheScreenIsNotLeft) {
  Board board;
  for (JobNumber job = 1; job <= 20; ++job) {
    board.begin(job, "");
    board.take(job, {1, 0, run::Step{std::string(500, 'x') + "\033[2J"}});
  }
  const auto rows = board.rows(40, 5);
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows.back(), "... and 16 more jobs");
  for (const std::string& row : rows) {
    EXPECT_LT(row.size(), 40u);
    EXPECT_EQ(row.find('\033'), row.npos);
  }
}

}  // namespace
}  // namespace ktrial::cli
