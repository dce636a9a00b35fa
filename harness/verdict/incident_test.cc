#include "harness/verdict/incident.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::verdict {
namespace {
using console::Kind;
using testing::ElementsAre;

console::Finding finding(Kind kind, std::string title, std::uint64_t line) {
  console::Finding out{};
  out.kind = kind;
  out.title = std::move(title);
  out.first_line = line;
  return out;
}

// Four reports of one wedge, and what was seen of it from outside.
Evidence wedge() {
  Evidence evidence{.ending = ConsoleReport{}};
  evidence.findings = {finding(Kind::rcu_stall, "INFO: rcu detected stall in a", 10),
                       finding(Kind::soft_lockup, "BUG: soft lockup in b", 40),
                       finding(Kind::hung_task, "INFO: task hung in c", 90)};
  evidence.last_beat_ago_s = {{0, 12}, {1, 20}, {2, .5}};
  autopsy::VcpuState culprit{.cpu = 1, .what = autopsy::VcpuClass::spinning_irqs_off};
  culprit.function = "mm_get_cid";
  autopsy::VcpuState victim{.cpu = 0, .what = autopsy::VcpuClass::waiting};
  victim.function = "flush_tlb_mm_range";
  victim.waits_in = "smp_call_function_many_cond";
  evidence.autopsy = {.looks = 4, .vcpus = {victim, culprit, {.cpu = 2}}};
  evidence.autopsy.culprit = {1, "mm_get_cid", "t/141", true};
  evidence.autopsy.blocked = {{"t/140", "D vfork", {}}};
  return evidence;
}

TEST(IncidentTest, OneWedgeIsOneChainWithItsCauseFirst) {
  const auto incident = incident_of(wedge());
  EXPECT_THAT(incident.chain,
              ElementsAre("vCPU 1: spinning with interrupts off in mm_get_cid, task t/141",
                          "CPU 1 beat last 20.0 s before the end of the wait",
                          "CPU 0 beat last 12.0 s before the end of the wait",
                          "console line 10: INFO: rcu detected stall in a",
                          "console line 40: BUG: soft lockup in b",
                          "console line 90: INFO: task hung in c", "held off: t/140 (D vfork)"));
  EXPECT_THAT(incident.victims, ElementsAre("vCPU 0 waits in smp_call_function_many_cond, called "
                                            "by flush_tlb_mm_range"));
}

TEST(IncidentTest, WhatWeProvokedIsMarked) {
  auto evidence = wedge();
  evidence.ending = HeartbeatSilence{{0}, 3, 20};
  evidence.provoked_from = 1;
  EXPECT_EQ(incident_of(evidence).chain[4],
            "console line 40, after our NMI: BUG: soft lockup in b");
}

TEST(IncidentTest, AStallWithoutAnAutopsySaysWhy) {
  auto evidence = wedge();
  EXPECT_EQ(incident_of(evidence).no_autopsy, "");
  evidence.autopsy.blind = "symbols: no such table";
  EXPECT_EQ(incident_of(evidence).no_autopsy, "symbols: no such table");
  evidence.autopsy = {.looks = 0, .notes = {"QMP does not answer"}};
  EXPECT_EQ(incident_of(evidence).no_autopsy, "QMP does not answer");
  evidence.autopsy = {};
  EXPECT_THAT(incident_of(evidence).no_autopsy, testing::HasSubstr("the machine had ended"));
  evidence.findings.insert(evidence.findings.begin(), finding(Kind::oops, "BUG: x", 3));
  EXPECT_EQ(incident_of(evidence).no_autopsy, "the first report is no stall");
}

TEST(IncidentTest, ARunWithoutAStallHasNone) {
  Evidence evidence{.ending = ConsoleReport{}, .findings = {finding(Kind::oops, "BUG: x", 3)}};
  EXPECT_TRUE(incident_of(evidence).empty());
  EXPECT_TRUE(incident_of({.ending = AgentResult{}}).chain.empty());
}

TEST(IncidentTest, IsBounded) {
  auto evidence = wedge();
  for (int i = 0; i < 1000; ++i) {
    evidence.findings.push_back(evidence.findings.front());
    evidence.autopsy.blocked.push_back({"t/1", "D", {}});
  }
  EXPECT_LT(incident_of(evidence).chain.size(), 32u);
}

}  // namespace
}  // namespace ktrial::verdict
