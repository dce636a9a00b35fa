#include "harness/verdict/evidence_json.h"

#include <gtest/gtest.h>

#include "harness/verdict/decide.h"
#include "results/schema_check.h"

namespace ktrial::verdict {
namespace {

// Every field has a value of its own.
Evidence full(Ending ending) {
  Evidence out{.ending = std::move(ending), .phase = Phase::workload, .workload = "stress"};
  out.workload_protocol = false;
  out.emulated = true;
  out.nmi_after_line = 512;
  out.counters_before = {{"warn_count", 1}, {"tainted", 0}};
  out.counters_after = {{"warn_count", 2}, {"tainted", 1u << 14}};
  out.host = {.window_s = 20.5,
              .stopped_s = 1,
              .frozen_s = 2,
              .suspended_s = 3,
              .unborn_s = 4,
              .clock_step_s = -5,
              .pressure = 77,
              .vcpus = {{0, .25, 12}, {1, 3, .5}},
              .far = true,
              .others = .25,
              .not_told = "it does not answer"};
  out.last_beat_ago_s = {{0, .5}, {1, 21.125}};
  out.unheard_beats_s = {{1, 20.5}};
  out.slowdown = 1.5;
  out.autopsy.looks = 4;
  out.autopsy.seconds = .61;
  out.autopsy.vcpus = {{.cpu = 1,
                        .what = autopsy::VcpuClass::spinning_irqs_off,
                        .function = "mm_get_cid",
                        .interrupts_off = true,
                        .inside_schedule = true,
                        .one_instruction = true,
                        .was_halted = true,
                        .task = "swapper/1/0",
                        .ran_s = 1.5,
                        .waited_s = .1,
                        .stack = {{"mm_get_cid", "mm_get_cid+0x55/0x90", true},
                                  {"schedule", "schedule+0x1/0x2", false}}},
                       {.cpu = 0,
                        .what = autopsy::VcpuClass::waiting,
                        .function = "resched_cpu",
                        .waits_in = "native_queued_spin_lock_slowpath"}};
  out.autopsy.culprit = autopsy::find_culprit(out.autopsy.vcpus);
  out.autopsy.blocked = {{"stress/7", "D vfork", {{"schedule", "schedule+0x1/0x2", true}}}};
  out.autopsy.trace = {"6601 events"};
  out.autopsy.notes = {"no core file"};
  out.autopsy.blind = "symbols: none";
  return out;
}

const Ending kEndings[] = {
    ConsoleReport{},
    AgentResult{{.kind = wire::ExitKind::signaled, .value = 11, .detail = "core dumped"}},
    AgentResult{{.kind = wire::ExitKind::not_started, .value = 2}},
    AgentResult{{.kind = wire::ExitKind::deadline}},
    AgentResult{{.value = -1}},
    ChannelLost{"closed"},
    ProtocolError{"a frame of 4 GiB"},
    HeartbeatSilence{{1, 3}, 4, 21.5},
    HeartbeatSilence{{1}, 4, 9.5, true},
    HeartbeatSilence{{}, 0, 21.5},
    ProgressSilence{12},
    VmStopped{"internal-error"},
    VmEnded{"guest-reset", {.signaled = true, .value = 6, .known = false}, "assertion"},
    DeadlinePassed{300},
    Interrupted{2},
};

TEST(EvidenceJsonTest, ComesBackWholeWithEveryEnding) {
  for (const Ending& ending : kEndings) {
    const Evidence evidence = full(ending);
    const results::Json json = to_json(evidence);
    const auto back = evidence_from_json(json);
    ASSERT_TRUE(back) << json;
    EXPECT_EQ(back->ending.index(), ending.index());
    EXPECT_EQ(to_json(*back), json);
    EXPECT_EQ(decide(*back), decide(evidence)) << json;
    ASSERT_TRUE(back->autopsy.culprit);
    EXPECT_TRUE(back->autopsy.culprit->proven);
  }
}

TEST(EvidenceJsonTest, IsWhatItsSchemaSays) {
  for (const Ending& ending : {kEndings[1], Ending(HeartbeatSilence{{1}, 4, 21})})
    results::expect_schema(results::dump(results::document(to_json(full(ending)))), "evidence");
}

TEST(EvidenceJsonTest, TakesWhatAStrangerWroteForWhatItIs) {
  EXPECT_FALSE(evidence_from_json(results::Json::array()));
  EXPECT_FALSE(evidence_from_json({{"ending", "heartbeat_silence"}}));
  EXPECT_FALSE(evidence_from_json({{"ending", {{"type", "no such"}}}}));
  const auto odd = evidence_from_json({{"ending",
                                        {{"type", "heartbeat_silence"},
                                         {"cpus", {-1, "x", 1e300, 18446744073709551615u}},
                                         {"of", -4}}},
                                       {"phase", 7},
                                       {"autopsy", {{"vcpus", {{{"cpu", -1}, {"what", 3}}}}}},
                                       {"host", {{"vcpus", "all"}}}});
  ASSERT_TRUE(odd);
  EXPECT_FALSE(decide(*odd).reason.empty());
}

}  // namespace
}  // namespace ktrial::verdict
