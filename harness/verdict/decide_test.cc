#include "harness/verdict/decide.h"

#include <gtest/gtest.h>

namespace ktrial::verdict {
namespace {
using console::Kind;
using results::Outcome;

console::Finding finding(Kind kind, std::string title, std::string culprit = "") {
  console::Finding out{};
  out.kind = kind;
  out.severity = console::severity_of(kind);
  out.title = std::move(title);
  out.culprit = std::move(culprit);
  return out;
}
console::Finding accusing(console::Accuses whom, std::string title) {
  console::Finding out = finding(Kind::panic, std::move(title));
  out.accuses = whom;
  return out;
}
autopsy::HostEvidence starved() {
  return {.window_s = 20, .vcpus = {{.cpu = 0, .ran_s = .2, .waited_s = 19}}};
}
autopsy::HostEvidence busy() {
  return {.window_s = 20, .pressure = 80, .vcpus = {{.cpu = 0, .ran_s = 10, .waited_s = 10}}};
}
subtests::Summary tests(std::vector<subtests::Subtest> list, std::size_t missing = 0) {
  return {.format = subtests::Format::tap, .tests = std::move(list), .missing = missing};
}
wire::Exit exited(int status) { return {.kind = wire::ExitKind::exited, .value = status}; }

struct Case {
  const char* name;
  Evidence evidence;
  Outcome outcome;
  std::string title;
  const char* kind;
};

std::vector<Case> cases() {
  const auto lockup = finding(Kind::soft_lockup, "BUG: soft lockup in f", "g");
  const auto oops = finding(Kind::oops, "BUG: unable to handle kernel paging request in f", "f");
  const auto warning = finding(Kind::warning, "WARNING in g", "g");
  return {
      {"AComplaintDoesNotNameWhatWasWorse",
       {.ending = ConsoleReport{}, .findings = {warning, oops}},
       Outcome::fail,
       oops.title,
       "oops"},
      {"TheFirstThatStoppedWorkNames",
       {.ending = ConsoleReport{}, .findings = {warning, oops, lockup}},
       Outcome::fail,
       oops.title,
       "oops"},
      {"OfComplaintsTheFirstNames",
       {.ending = ConsoleReport{},
        .findings = {warning, finding(Kind::warning, "WARNING in h", "h")}},
       Outcome::fail,
       warning.title,
       "warning"},
      {"HealthyRun", {.ending = AgentResult{exited(0)}}, Outcome::pass, "", ""},
      {"WorkloadSaysBroken",
       {.ending = AgentResult{exited(1)}, .workload = "w"},
       Outcome::fail,
       "w failed",
       "workload"},
      {"WorkloadCannotRun",
       {.ending = AgentResult{exited(2)}},
       Outcome::inconclusive,
       "",
       "workload_unfit"},
      {"UserCommandStatusTwoIsAFailure",
       {.ending = AgentResult{exited(2)}, .workload = "cmd", .workload_protocol = false},
       Outcome::fail,
       "cmd failed",
       "workload"},
      {"UserCommandCallsWhatTheGuestLacks",
       {.ending = AgentResult{exited(127)}, .workload = "sh", .workload_protocol = false},
       Outcome::inconclusive,
       "",
       "workload_unfit"},
      {"UserCommandCallsWhatCannotBeRun",
       {.ending = AgentResult{exited(126)},
        .workload = "sh",
        .workload_protocol = false,
        .subtests = tests({{"a", subtests::Result::fail, "", {}}})},
       Outcome::inconclusive,
       "",
       "workload_unfit"},
      {"OurWorkloadsStatusIsAFailure",
       {.ending = AgentResult{exited(127)}, .workload = "w"},
       Outcome::fail,
       "w failed",
       "workload"},
      {"WorkloadDidNotStart",
       {.ending = AgentResult{{.kind = wire::ExitKind::not_started, .value = 2}}},
       Outcome::inconclusive,
       "",
       "workload_not_started"},
      {"WorkloadKilled",
       {.ending = AgentResult{{.kind = wire::ExitKind::signaled, .value = 11}}, .workload = "w"},
       Outcome::fail,
       "w was killed by signal 11",
       "workload"},
      {"SlowWorkload",
       {.ending = AgentResult{{.kind = wire::ExitKind::deadline}}},
       Outcome::inconclusive,
       "",
       "workload_slow"},
      {"ReportBeatsExitStatus",
       {.ending = AgentResult{exited(0)}, .findings = {oops}},
       Outcome::fail,
       oops.title,
       "oops"},
      {"StallOnAStarvedHost",
       {.ending = ConsoleReport{}, .findings = {lockup}, .host = starved()},
       Outcome::inconclusive,
       "",
       "host_starved"},
      {"StallOnABusyHost",
       {.ending = ConsoleReport{}, .phase = Phase::workload, .findings = {lockup}, .host = busy()},
       Outcome::fail,
       "BUG: soft lockup in f",
       "soft_lockup"},
      {"OopsOnAStarvedHost",
       {.ending = ConsoleReport{}, .findings = {lockup, oops}, .host = starved()},
       Outcome::fail,
       "BUG: soft lockup in f",
       "soft_lockup"},
      {"NoRootIsOurFault",
       {.ending = ConsoleReport{},
        .findings = {accusing(console::Accuses::missing_init, "kernel panic: no root")}},
       Outcome::inconclusive,
       "",
       "setup"},
      {"LostTicksAtBootAreTheHosts",
       {.ending = ConsoleReport{},
        .findings = {accusing(console::Accuses::lost_ticks, "kernel panic: no timer")}},
       Outcome::inconclusive,
       "",
       "host_starved"},
      {"SilenceIsEnough",
       {.ending = HeartbeatSilence{{0, 1}, 2, 15}, .phase = Phase::workload, .host = busy()},
       Outcome::fail,
       "INFO: silent stall",
       "silent_stall"},
      {"SilenceOfAStarvedGuest",
       {.ending = HeartbeatSilence{{0}, 1, 15}, .host = starved()},
       Outcome::inconclusive,
       "",
       "host_starved"},
      {"ProvokedBacktraceNamesTheCulpritOnly",
       {.ending = HeartbeatSilence{{0}, 1, 15},
        .findings = {finding(Kind::panic, "kernel panic: NMI: Not continuing", "mm_get_cid")},
        .provoked_from = 0},
       Outcome::fail,
       "INFO: silent stall in mm_get_cid",
       "silent_stall"},
      {"NoProgress",
       {.ending = ProgressSilence{30}, .workload = "w"},
       Outcome::fail,
       "INFO: task hung in w",
       "workload_stall"},
      {"NoProgressOnAStarvedHost",
       {.ending = ProgressSilence{30}, .host = starved()},
       Outcome::inconclusive,
       "",
       "host_starved"},
      {"TripleFault",
       {.ending = VmEnded{"guest-reset", {}, ""}, .kernel_printed = true},
       Outcome::fail,
       "unexpected kernel reboot",
       "reset"},
      {"ResetBeforeTheKernel",
       {.ending = VmEnded{"guest-reset", {}, ""}},
       Outcome::inconclusive,
       "",
       "guest_shutdown"},
      {"EarlyPowerOff",
       {.ending = VmEnded{"guest-shutdown", {}, ""}, .kernel_printed = true},
       Outcome::inconclusive,
       "",
       "guest_shutdown"},
      {"QemuKilled",
       {.ending = VmEnded{"", {true, 9}, ""}, .kernel_printed = true},
       Outcome::inconclusive,
       "",
       "vm_died"},
      {"KvmInternalError",
       {.ending = VmStopped{"internal-error"}},
       Outcome::inconclusive,
       "",
       "vm_stopped"},
      {"ChannelDaemonDied",
       {.ending = ChannelLost{"daemon"}},
       Outcome::inconclusive,
       "",
       "channel_lost"},
      {"GarbageOnTheChannel",
       {.ending = ProtocolError{"bad magic"}},
       Outcome::inconclusive,
       "",
       "protocol"},
      {"NeverBooted",
       {.ending = DeadlinePassed{60}, .phase = Phase::boot},
       Outcome::inconclusive,
       "",
       "no_boot"},
      {"NeverBootedOnAStarvedHost",
       {.ending = DeadlinePassed{60}, .phase = Phase::boot, .host = starved()},
       Outcome::inconclusive,
       "",
       "host_starved"},
      {"OutOfTime",
       {.ending = DeadlinePassed{60}, .phase = Phase::workload},
       Outcome::inconclusive,
       "",
       "deadline"},
      {"InterruptedBeatsAll",
       {.ending = Interrupted{2}, .findings = {oops}},
       Outcome::inconclusive,
       "",
       "interrupted"},
      {"AFailedSubtestBeatsExitZero",
       {.ending = AgentResult{exited(0)},
        .subtests =
            tests({{"a/b", subtests::Result::pass}, {"a/c", subtests::Result::fail, "why"}})},
       Outcome::fail,
       "a/c failed",
       "subtest"},
      {"AllSubtestsPassed",
       {.ending = AgentResult{exited(0)}, .subtests = tests({{"a", subtests::Result::pass}})},
       Outcome::pass,
       "",
       ""},
      {"AStatusStillCountsWhenSubtestsPass",
       {.ending = AgentResult{exited(3)},
        .workload = "w",
        .subtests = tests({{"a", subtests::Result::pass}})},
       Outcome::fail,
       "w failed",
       "workload"},
      {"AllSubtestsSkipped",
       {.ending = AgentResult{exited(4)}, .subtests = tests({{"a", subtests::Result::skip}})},
       Outcome::inconclusive,
       "",
       "workload_unfit"},
      {"APlannedSubtestIsMissing",
       {.ending = AgentResult{exited(0)},
        .workload = "w",
        .subtests = tests({{"a", subtests::Result::pass}}, 2)},
       Outcome::fail,
       "w: subtests missing",
       "subtest_missing"},
      {"AnOopsBeatsAFailedSubtest",
       {.ending = AgentResult{exited(0)},
        .findings = {oops},
        .subtests = tests({{"a", subtests::Result::fail}})},
       Outcome::fail,
       oops.title,
       "oops"},
      {"LostReportByTaint",
       {.ending = AgentResult{exited(0)},
        .counters_before = {{"tainted", 0x1000}},
        .counters_after = {{"tainted", 0x1200}}},
       Outcome::fail,
       "WARNING: lost kernel report",
       "lost_report"},
      {"ModuleTaintIsNoReport",
       {.ending = AgentResult{exited(0)},
        .counters_before = {{"tainted", 0}},
        .counters_after = {{"tainted", 0x3000}}},
       Outcome::pass,
       "",
       ""},
      {"LostReportByCount",
       {.ending = AgentResult{exited(0)},
        .counters_before = {{"warn_count", 1}},
        .counters_after = {{"warn_count", 2}}},
       Outcome::fail,
       "WARNING: lost kernel report",
       "lost_report"},
  };
}

class DecideTest : public testing::TestWithParam<Case> {};

TEST_P(DecideTest, Judges) {
  const Case& c = GetParam();
  const Verdict verdict = decide(c.evidence);
  EXPECT_EQ(verdict.outcome, c.outcome) << verdict.reason;
  EXPECT_EQ(verdict.title, c.title);
  EXPECT_EQ(verdict.kind.name(), c.kind);
  EXPECT_FALSE(verdict.reason.empty());
  EXPECT_EQ(verdict.signature.empty(), c.outcome != Outcome::fail);
}
INSTANTIATE_TEST_SUITE_P(Table, DecideTest, testing::ValuesIn(cases()),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(DecideTest, CulpritOfAStallMayComeFromALaterReport) {
  Evidence evidence{
      .ending = ConsoleReport{},
      .findings = {finding(Kind::rcu_stall, "INFO: rcu detected stall in a"),
                   finding(Kind::soft_lockup, "BUG: soft lockup in b", "mm_get_cid")}};
  EXPECT_EQ(decide(evidence).culprit, "mm_get_cid");
}

// One vCPU starved, another wedged with interrupts off although it ran.
Evidence wedged_beside_a_starved_one() {
  Evidence evidence{.ending = HeartbeatSilence{{0, 1}, 2, 20},
                    .phase = Phase::workload,
                    .findings = {finding(Kind::panic, "kernel panic: NMI", "mm_get_cid")},
                    .provoked_from = 0,
                    .host = {.window_s = 20, .vcpus = {{0, .2, 19}, {1, 15, 5}}}};
  evidence.findings[0].cpu = 1;
  autopsy::VcpuState wedged{.cpu = 1, .what = autopsy::VcpuClass::spinning_irqs_off};
  wedged.ran_s = 2;
  evidence.autopsy = {.looks = 4, .vcpus = {wedged}};
  return evidence;
}

TEST(DecideTest, AStarvedVcpuDoesNotExcuseAWedgedOne) {
  const auto verdict = decide(wedged_beside_a_starved_one());
  EXPECT_EQ(verdict.outcome, Outcome::fail) << verdict.reason;
  EXPECT_EQ(verdict.culprit, "mm_get_cid");
}

TEST(DecideTest, AVcpuThatMovesOrWasStarvedIsExcused) {
  auto moves = wedged_beside_a_starved_one();
  moves.autopsy.vcpus[0].what = autopsy::VcpuClass::kernel;
  EXPECT_EQ(decide(moves).outcome, Outcome::inconclusive);
  auto starved_too = wedged_beside_a_starved_one();
  starved_too.autopsy.vcpus[0].ran_s = .2;
  EXPECT_EQ(decide(starved_too).outcome, Outcome::inconclusive);
  auto waiter = wedged_beside_a_starved_one();
  waiter.findings[0].culprit.clear();
  EXPECT_EQ(decide(waiter).outcome, Outcome::inconclusive);
}

Evidence wedged_for_all_to_see() {
  autopsy::VcpuState wedged{.cpu = 2, .what = autopsy::VcpuClass::spinning_irqs_off};
  wedged.function = "mm_get_cid";
  Evidence evidence{.ending = HeartbeatSilence{{0, 1, 2}, 3, 20}};
  evidence.autopsy = {.looks = 4, .vcpus = {wedged}};
  evidence.autopsy.culprit = {2, "mm_get_cid", "t/1", false};
  return evidence;
}

TEST(DecideTest, OneStallHasOneSignatureWhateverItLookedLike) {
  const auto silent = decide(wedged_for_all_to_see());
  EXPECT_EQ(silent.title, "INFO: silent stall in mm_get_cid");
  EXPECT_EQ(silent.signature, "stall:mm_get_cid");
  auto reported = wedged_for_all_to_see();
  reported.ending = ConsoleReport{};
  reported.findings = {
      finding(Kind::soft_lockup, "BUG: soft lockup in flush_tlb_mm", "flush_tlb_mm")};
  const auto lockup = decide(reported);
  EXPECT_EQ(lockup.title, "BUG: soft lockup in flush_tlb_mm");
  EXPECT_EQ(lockup.culprit, "mm_get_cid") << "not the victim that complains";
  EXPECT_EQ(lockup.signature, silent.signature);
}

TEST(DecideTest, AProvenCulpritIsNotExcusedByTheHost) {
  auto evidence = wedged_for_all_to_see();
  evidence.host = starved();
  EXPECT_EQ(decide(evidence).outcome, Outcome::inconclusive);
  evidence.autopsy.culprit->proven = true;
  EXPECT_EQ(decide(evidence).outcome, Outcome::fail);
}

TEST(DecideTest, AReportInTheLogOnlyIsMentioned) {
  auto evidence = wedged_for_all_to_see();
  evidence.findings_from_log = {finding(Kind::rcu_stall, "INFO: rcu detected stall in f")};
  EXPECT_NE(decide(evidence).reason.find("never on the console: INFO: rcu"), std::string::npos);
}

TEST(DecideTest, AStaleBreakpointIsTheEmulators) {
  Evidence evidence{.ending = ConsoleReport{},
                    .findings = {accusing(console::Accuses::stale_breakpoint, "int3 in f")}};
  EXPECT_EQ(decide(evidence).outcome, Outcome::fail);
  evidence.emulated = true;
  EXPECT_EQ(decide(evidence).outcome, Outcome::inconclusive);
  EXPECT_EQ(decide(evidence).kind, Kind::emulator);
}

TEST(DecideTest, AHungTaskIsNamedByItsOwnStack) {
  auto evidence = wedged_for_all_to_see();
  evidence.findings = {finding(Kind::hung_task, "INFO: task hung in f", "f")};
  EXPECT_EQ(decide(evidence).culprit, "f");
}

}  // namespace
}  // namespace ktrial::verdict
