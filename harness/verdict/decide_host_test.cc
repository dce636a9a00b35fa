// What a machine's host on the other side of a network told, or did not.
#include <gtest/gtest.h>

#include "harness/verdict/decide.h"

namespace ktrial::verdict {
namespace {
using results::Kind;
using results::Outcome;

Evidence stalled(autopsy::HostEvidence host) {
  return {.ending = ProgressSilence{30}, .phase = Phase::workload, .workload = "w", .host = host};
}

TEST(FarHostVerdictTest, AStallOnAHostThatStarvedItIsNotTheKernels) {
  const auto verdict =
      decide(stalled({.window_s = 30, .vcpus = {{0, 1, 28}}, .far = true, .others = .9}));
  EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict.kind, Kind::host_starved);
  EXPECT_EQ(verdict.reason, "host starved vCPU 0 for 28 s: it ran 1.0 s of 30 s");
}

TEST(FarHostVerdictTest, AStallOnAHostThatOthersHadIsNotTheKernels) {
  const auto verdict = decide(stalled(
      {.window_s = 30, .vcpus = {{0, 1, 0}}, .far = true, .others = .9, .not_told = "no delays"}));
  EXPECT_EQ(verdict.kind, Kind::host_starved);
  EXPECT_NE(verdict.reason.find("others had 90 % of the CPU time"), std::string::npos);
}

TEST(FarHostVerdictTest, WhereNothingIsKnownAStallSaysSoAndAnOopsNeedsNot) {
  const autopsy::HostEvidence mute{.window_s = 30, .far = true, .not_told = "it does not answer"};
  auto evidence = stalled(mute);
  auto verdict = decide(evidence);
  EXPECT_EQ(verdict.outcome, Outcome::fail);
  EXPECT_TRUE(verdict.reason.ends_with("; what its host gave it is not known: it does not answer"))
      << verdict.reason;
  // Proven: a vCPU ran there all the time.
  evidence.autopsy.culprit = {0, "f", "t/1", true};
  EXPECT_EQ(decide(evidence).reason.find("not known"), std::string::npos);
  evidence = stalled(mute);
  evidence.ending = ConsoleReport{};
  evidence.findings.resize(1);
  evidence.findings[0].kind = Kind::oops;
  evidence.findings[0].title = "BUG: in f";
  verdict = decide(evidence);
  EXPECT_EQ(verdict.outcome, Outcome::fail);
  EXPECT_EQ(verdict.reason.find("not known"), std::string::npos) << verdict.reason;
  evidence = stalled({.window_s = 30, .vcpus = {{0, 28, 1}}, .far = true, .others = 0});
  EXPECT_EQ(decide(evidence).reason.find("not known"), std::string::npos);
}

// The channel was silent, not they: a daemon that hangs, a driver that lost a queue.
TEST(UnheardBeatsVerdictTest, ASilenceInWhichTheGuestBeatIsTheChannels) {
  Evidence evidence{.ending = HeartbeatSilence{{1, 3}, 4, 60}, .phase = Phase::workload};
  EXPECT_EQ(decide(evidence).kind, Kind::silent_stall);
  evidence.unheard_beats_s = {{1, 59.5}, {3, 31}};
  const auto verdict = decide(evidence);
  EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict.kind, Kind::channel_lost);
  EXPECT_NE(verdict.reason.find("no beat of CPU 1,3 came for 60 s"), std::string::npos);
  // One of them made none, or soon none.
  for (const double seconds : {29., -.5}) {
    evidence.unheard_beats_s[3] = seconds;
    EXPECT_EQ(decide(evidence).kind, Kind::silent_stall);
  }
  evidence.unheard_beats_s.erase(3);
  EXPECT_EQ(decide(evidence).kind, Kind::silent_stall);
  // A guest that never beat.
  evidence.ending = HeartbeatSilence{{}, 0, 60};
  EXPECT_EQ(decide(evidence).outcome, Outcome::fail);
}

}  // namespace
}  // namespace ktrial::verdict
