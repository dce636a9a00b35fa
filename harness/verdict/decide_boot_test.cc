// Stalls that are reported while the kernel boots, on hosts that give it more or less time. Its
// self-tests hold a CPU for seconds: half the time makes a soft lockup of them.
#include <gtest/gtest.h>

#include "harness/verdict/decide.h"

namespace ktrial::verdict {
namespace {
using console::Kind;
using results::Outcome;

Evidence reported(Kind kind, double waited_s, Phase phase = Phase::boot) {
  console::Finding finding;
  finding.kind = kind;
  finding.title = "BUG: something in f";
  finding.culprit = "g";
  return {.ending = ConsoleReport{},
          .phase = phase,
          .findings = {finding},
          .host = {.window_s = 20,
                   .vcpus = {{.cpu = 0, .ran_s = 20 - waited_s, .waited_s = waited_s}}}};
}

TEST(DecideBootTest, EveryStallOnABusyHostIsInconclusive) {
  for (const Kind kind : {Kind::soft_lockup, Kind::hard_lockup, Kind::rcu_stall, Kind::hung_task,
                          Kind::workqueue_lockup, Kind::csd_lockup}) {
    const auto verdict = decide(reported(kind, 10));
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive) << name(kind);
    EXPECT_EQ(verdict.kind, Kind::host_starved) << name(kind);
    EXPECT_EQ(decide(reported(kind, 1)).outcome, Outcome::fail) << name(kind) << ", a quiet host";
  }
}

TEST(DecideBootTest, TheWorkloadsPhaseTakesMoreOfTheHost) {
  EXPECT_EQ(decide(reported(Kind::soft_lockup, 10, Phase::workload)).outcome, Outcome::fail);
  EXPECT_EQ(decide(reported(Kind::soft_lockup, 15, Phase::workload)).outcome,
            Outcome::inconclusive);
}

TEST(DecideBootTest, NoHostMakesAKernelOops) {
  EXPECT_EQ(decide(reported(Kind::oops, 19)).outcome, Outcome::fail);
}

TEST(DecideBootTest, AProofHoldsWhateverTheHostDid) {
  Evidence evidence = reported(Kind::soft_lockup, 10);
  evidence.autopsy = {.looks = 2, .culprit = autopsy::Culprit{0, "g", "", true}};
  EXPECT_EQ(decide(evidence).outcome, Outcome::fail);
  EXPECT_GT(proof_seconds(evidence), proof_seconds(reported(Kind::oops, 0, Phase::workload)))
      << "a booting kernel computes for seconds in one place";
}

}  // namespace
}  // namespace ktrial::verdict
