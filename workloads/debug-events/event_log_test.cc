// The rules hold for a sound log, and each names its violation.
#include "workloads/debug-events/event_log.h"

#include <gmock/gmock.h>

namespace ktrial::debug_events {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Client 10 forks 11, vforks 12 which execs, makes thread 13, and ends.
class EventLogTest : public testing::Test {
 protected:
  void renumber() {
    for (std::size_t i = 0; i < log_.size(); ++i) log_[i].seqno = static_cast<std::uint32_t>(i + 1);
  }
  std::vector<Event> log_ = {
      {1, Kind::attach, 10, 0, 0}, {2, Kind::fork, 11, 10, 1}, {3, Kind::exit, 11, 0, 2},
      {4, Kind::vfork, 12, 10, 1}, {5, Kind::exec, 12, 0, 4},  {6, Kind::exit, 12, 0, 4},
      {7, Kind::clone, 13, 10, 1}, {8, Kind::exit, 13, 0, 7},  {9, Kind::exit, 10, 0, 1}};
  std::vector<Entry> own_ = {{Kind::fork, 11}, {Kind::exit, 11}, {Kind::vfork, 12},
                             {Kind::exec, 12}, {Kind::exit, 12}, {Kind::clone, 13},
                             {Kind::exit, 13}};
};

TEST_F(EventLogTest, ASoundLogHolds) {
  EXPECT_EQ(check_log(log_, true), "");
  EXPECT_EQ(check_client(log_, 10, own_, true), "");
  EXPECT_EQ(check_log({}, true), "");
}
TEST_F(EventLogTest, GapInTheNumbers) {
  log_.erase(log_.begin() + 2);
  EXPECT_THAT(check_log(log_, true), HasSubstr("gap"));
}
TEST_F(EventLogTest, DuplicateNumber) {
  log_.insert(log_.begin() + 1, log_[0]);
  EXPECT_THAT(check_log(log_, true), HasSubstr("duplicate"));
}
TEST_F(EventLogTest, DanglingReference) {
  log_[2].ref = 4;  // later
  EXPECT_THAT(check_log(log_, true), HasSubstr("dangling"));
  log_[2].ref = 1;  // another task's creation
  EXPECT_THAT(check_log(log_, true), HasSubstr("dangling"));
  log_[2].ref = 2;
  log_[0].ref = 1;
  EXPECT_THAT(check_log(log_, true), HasSubstr("refers to nothing"));
}
TEST_F(EventLogTest, MissingDestroy) {
  log_.pop_back();
  EXPECT_THAT(check_log(log_, true), StartsWith("task 10 was created by event 1"));
  EXPECT_EQ(check_log(log_, false), "") << "the debugger left";
}
TEST_F(EventLogTest, EventForADetachedTask) {
  log_[8].kind = Kind::detach;
  log_.push_back({10, Kind::fork, 14, 10, 1});
  EXPECT_THAT(check_log(log_, false), HasSubstr("has ended or is detached"));
  log_.back() = {10, Kind::exit, 77, 0, 1};
  EXPECT_THAT(check_log(log_, false), HasSubstr("never created"));
}
TEST_F(EventLogTest, ATaskIsNotCreatedTwice) {
  log_.insert(log_.begin() + 4, {0, Kind::attach, 12, 0, 0});
  renumber();
  EXPECT_THAT(check_log(log_, false), HasSubstr("there already"));
}
TEST_F(EventLogTest, AttachedAgainAfterDetaching) {
  EXPECT_EQ(check_log({{1, Kind::attach, 10, 0, 0},
                       {2, Kind::detach, 10, 0, 1},
                       {3, Kind::attach, 10, 0, 0},
                       {4, Kind::detach, 10, 0, 3}},
                      true),
            "");
}
TEST_F(EventLogTest, UnknownKind) {
  log_[4].kind = static_cast<Kind>(99);
  EXPECT_THAT(check_log(log_, true), HasSubstr("no such kind"));
}

TEST_F(EventLogTest, MismatchWithTheClientIsSeenEitherWay) {
  for (std::size_t i = 0; i < own_.size(); ++i) {
    auto less = own_;
    less.erase(less.begin() + static_cast<long>(i));
    EXPECT_THAT(check_client(log_, 10, less, true), StartsWith("mismatch: ")) << i;
    auto more = own_;
    more.push_back(own_[i]);
    EXPECT_THAT(check_client(log_, 10, more, true), StartsWith("mismatch: ")) << i;
  }
  own_[0].kind = Kind::vfork;
  EXPECT_THAT(check_client(log_, 10, own_, true), StartsWith("mismatch: "));
}
TEST_F(EventLogTest, ADebuggerThatLeftKnowsTheFirstBirths) {
  own_.push_back({Kind::fork, 20});
  own_.push_back({Kind::exit, 20});
  EXPECT_EQ(check_client(log_, 10, own_, false), "");
  EXPECT_THAT(check_client(log_, 10, own_, true), StartsWith("mismatch: "));
  own_.erase(own_.begin(), own_.begin() + 2);
  EXPECT_THAT(check_client(log_, 10, own_, false), HasSubstr("birth 1"));
  EXPECT_THAT(check_client(log_, 10, {}, false), HasSubstr("which knows 0"));
}
TEST_F(EventLogTest, ADebuggerThatLeftInventsNothing) {
  log_.insert(log_.begin() + 2, {0, Kind::exec, 11, 0, 2});
  renumber();
  EXPECT_THAT(check_client(log_, 10, own_, false), HasSubstr("unknown to its client"));
}

TEST_F(EventLogTest, TheWitnessTellsTheSameOfTheSameTasks) {
  std::vector<Entry> witness = {{Kind::fork, 11}, {Kind::exit, 11}, {Kind::fork, 12},
                                {Kind::exec, 12}, {Kind::exit, 12}, {Kind::fork, 13},
                                {Kind::exit, 13}, {Kind::fork, 99}, {Kind::exit, 10}};
  EXPECT_EQ(check_witness(log_, witness), "") << "others' tasks do not count";
  auto twice = witness;
  twice.push_back({Kind::exec, 12});
  EXPECT_THAT(check_witness(log_, twice), HasSubstr("2 times by the proc connector"));
  witness.erase(witness.begin());
  EXPECT_THAT(check_witness(log_, witness), HasSubstr("0 times by the proc connector"));
}

TEST_F(EventLogTest, DiscoveryFindsEachOnce) {
  EXPECT_EQ(check_discovery(log_, {10, 11, 12, 13}), "");
  EXPECT_THAT(check_discovery(log_, {10, 11, 12, 13, 14}), HasSubstr("14 was not found"));
  EXPECT_THAT(check_discovery(log_, {10, 11, 12}), HasSubstr("no client knows"));
  log_.push_back({10, Kind::attach, 13, 0, 0});
  EXPECT_THAT(check_discovery(log_, {10, 11, 12, 13}), HasSubstr("2 times"));
}

TEST_F(EventLogTest, TokensAlternate) {
  EXPECT_EQ(check_tokens({{false, 1}, {true, 1}, {false, 2}, {true, 2}}, 2), "");
  EXPECT_THAT(check_tokens({{true, 1}, {false, 1}}, 1), StartsWith("stages: token 1"));
  EXPECT_THAT(check_tokens({{false, 1}, {true, 2}}, 1), StartsWith("stages: token 2"));
  EXPECT_THAT(check_tokens({{false, 1}, {false, 2}}, 1), StartsWith("stages: token 2"));
  EXPECT_THAT(check_tokens({{false, 1}}, 1), StartsWith("stages: 1 tokens"));
}

}  // namespace
}  // namespace ktrial::debug_events
