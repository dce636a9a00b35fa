// Stalls that are reported while the kernel boots, on hosts that give it more or less time. Its
// self-tests hold a CPU for seconds: half the time makes a soft lockup of them.
#include <gtest/gtest.h>

#include "harness/verdict/blame.h"
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

// As seen: all vCPUs at asm_exc_int3+0x0, by an interrupt that struck a place just patched.
Evidence in_a_breakpoint(bool one_instruction) {
  Evidence evidence = reported(Kind::soft_lockup, 0, Phase::workload);
  evidence.emulated = true;
  evidence.autopsy = {.looks = 4,
                      .vcpus = {{.cpu = 1,
                                 .what = autopsy::VcpuClass::spinning_irqs_off,
                                 .function = "amd_e400_idle",
                                 .interrupts_off = true,
                                 .one_instruction = one_instruction,
                                 .ran_s = 3,
                                 .stack = {{"asm_exc_int3", "asm_exc_int3+0x0/0x40"},
                                           {"sched_clock_tick", "sched_clock_tick+0x1/0x40"}}}},
                      .culprit = autopsy::Culprit{1, "amd_e400_idle", "", true}};
  return evidence;
}

TEST(DecideBootTest, TcgLoopsInABreakpointAndNoCpuDoes) {
  Evidence evidence = in_a_breakpoint(true);
  EXPECT_EQ(decide(evidence).kind, Kind::emulator) << decide(evidence).reason;
  evidence.findings.clear();
  for (const Ending& ending : {Ending(HeartbeatSilence{{1}, 4, 20}), Ending(ProgressSilence{20}),
                               Ending(DeadlinePassed{})}) {
    evidence.ending = ending;
    evidence.phase = Phase::boot;
    EXPECT_EQ(decide(evidence).kind, Kind::emulator) << decide(evidence).reason;
  }
  evidence.emulated = false;
  evidence.ending = ProgressSilence{20};
  EXPECT_EQ(decide(evidence).outcome, Outcome::fail) << "on hardware it tells something";
}

TEST(DecideBootTest, ABreakpointThatIsPassedIsTheKernels) {
  EXPECT_EQ(decide(in_a_breakpoint(false)).outcome, Outcome::fail);
  Evidence oops = in_a_breakpoint(true);
  oops.findings.front().kind = Kind::oops;
  EXPECT_EQ(decide(oops).kind, Kind::oops) << "no emulator is asked about what is no stall";
}

}  // namespace
}  // namespace ktrial::verdict
