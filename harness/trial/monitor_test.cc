#include "harness/trial/monitor.h"

#include "harness/spec/spec.h"
#include "harness/trial/fake_watch.h"
#include "harness/trial/findings.h"

namespace ktrial::trial {
namespace {
using verdict::Ending;

TEST_F(MonitorTest, AReportSettlesAndThenEndsTheWait) {
  Limits l = limits();
  l.settle = 1s;
  start({{1ms, vm::ConsoleBytes{"[    1.000000] Kernel panic - not syncing: Oh\n"}},
         {10ms, vm::ConsoleBytes{"[    1.000100] CPU: 2 PID: 7 Comm: x Not tainted\n"}}},
        l);
  expect<verdict::ConsoleReport>(monitor->wait_hello());
  EXPECT_EQ(monitor->console().findings().size(), 1u);
  EXPECT_EQ(monitor->console().lines(), 2u);
}

TEST_F(MonitorTest, GarbageFromTheAgentIsAProtocolError) {
  start({});
  handlers.on_bytes(channel::StreamId::control, "GET / HTTP/1.1\r\n\r\n garbage garbage");
  expect<verdict::ProtocolError>(monitor->wait_hello());
}

TEST_F(MonitorTest, ALostChannelEndsTheWait) {
  start({});
  handlers.on_lost("the daemon died");
  expect<verdict::ChannelLost>(monitor->wait_hello());
}

TEST_F(MonitorTest, TheUserIsHeard) {
  start({});
  monitor->interrupt(2);
  expect<verdict::Interrupted>(monitor->wait_hello());
}

TEST_F(MonitorTest, OneQuietCpuAmongBeatingOnesIsNamed) {
  start({});
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  say(wire::Beat{.cpu = 0});
  say(wire::Beat{.cpu = 3});
  const Beating beating(*this, [&](int) { say(wire::Progress{}); });
  const Ending ending = monitor->watch_workload();
  ASSERT_TRUE(std::holds_alternative<verdict::HeartbeatSilence>(ending)) << ending.index();
  const auto& silence = std::get<verdict::HeartbeatSilence>(ending);
  EXPECT_EQ(silence.cpus, std::vector<unsigned>{3});
  EXPECT_EQ(silence.of, 2u);
}

TEST_F(MonitorTest, ABeatingGuestWithoutProgressIsToldApart) {
  start({});
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  const Beating beating(*this);
  expect<verdict::ProgressSilence>(monitor->watch_workload());
}

TEST_F(MonitorTest, ExitEndsTheWorkload) {
  start({});
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  say(wire::Exit{.value = 3});
  const Ending ending = monitor->watch_workload();
  ASSERT_TRUE(std::holds_alternative<verdict::AgentResult>(ending));
  EXPECT_EQ(std::get<verdict::AgentResult>(ending).exit.value, 3);
}

// A workload that needs few CPUs may end well although another one hangs.
TEST_F(MonitorTest, ACpuThatIsQuietAtTheEndIsWaitedFor) {
  start({});
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  say(wire::Beat{.cpu = 3});
  const Beating beating(*this, [&](int beats) {
    if (beats == 20) say(wire::Exit{});  // 200 ms: not fresh, not yet silent
  });
  const Ending ending = monitor->watch_workload();
  ASSERT_TRUE(std::holds_alternative<verdict::HeartbeatSilence>(ending)) << ending.index();
  EXPECT_EQ(std::get<verdict::HeartbeatSilence>(ending).cpus, std::vector<unsigned>{3});
}

TEST_F(MonitorTest, ACpuThatWasOnlyLateIsNoSilence) {
  start({});
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  say(wire::Beat{.cpu = 3});
  const Beating beating(*this, [&](int beats) {
    say(wire::Progress{});
    if (beats == 20) say(wire::Exit{});
    if (beats == 25) say(wire::Beat{.cpu = 3});
  });
  expect<verdict::AgentResult>(monitor->watch_workload());
  EXPECT_GE(beating.count(), 25);
}

// Progress and CPUs stop together; what the kernel says of it comes after the one
// limit and before the other.
TEST_F(MonitorTest, TheKernelSpeaksBeforeQuietCpusAreJudged) {
  Limits l = limits();
  l.progress = 1200ms;
  l.heartbeat = 3s;
  start({{1700ms,
          vm::ConsoleBytes{"[    9.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 21s!\n"}}},
        l);
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  say(wire::Beat{.cpu = 0});
  expect<verdict::ConsoleReport>(monitor->watch_workload());
}

// A note fails nothing, unless the spec says so.
TEST_F(MonitorTest, ANoteIsAReportWhereTheSpecSaysSo) {
  for (const std::string_view note : spec::kNotes) {
    ASSERT_EQ(kinds_of({std::string(note)}).size(), 1U) << note;
    EXPECT_TRUE(console::is_note(kinds_of({std::string(note)})[0])) << note;
  }
  for (const bool fails : {false, true}) {
    Limits l = limits();
    l.fail_on = kinds_of(fails ? std::vector<std::string>{"out_of_memory"}
                               : std::vector<std::string>{"page_allocation"});
    start({{10ms, vm::ConsoleBytes{"[    9.000000] Out of memory: Killed process 9 (a)\n"}}}, l);
    say(wire::Hello{});
    EXPECT_FALSE(monitor->wait_hello());
    const Beating beating(*this, [&](int beats) {
      say(wire::Progress{});
      if (beats == 20) say(wire::Exit{});
    });
    const Ending ending = monitor->watch_workload();
    EXPECT_EQ(std::holds_alternative<verdict::ConsoleReport>(ending), fails);
    EXPECT_EQ(monitor->console().findings().size(), fails ? 1U : 0U);
    EXPECT_EQ(monitor->console().notes().size(), fails ? 0U : 1U);
  }
}

constexpr const char* kWarning =
    "[    9.000000] WARNING: CPU: 1 PID: 7 at a/b.c:6 foo_warn+0x1/0x2\n";
constexpr const char* kOops =
    "[   14.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n";

TEST_F(MonitorTest, AShortQuietIsWaitedForAndNoLonger) {
  start({}, limits());
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  const auto begun = clock.now();
  monitor->settle(2s, 5ms);
  EXPECT_GE(clock.now() - begun, 5ms);
  EXPECT_LE(clock.now() - begun, 10ms);
}

// A complaint is no end: the oops that comes of it is waited for while the workload runs.
TEST_F(MonitorTest, WhatComesOfAComplaintIsWaitedFor) {
  Limits l = limits();
  l.progress = l.heartbeat = 60s;
  l.aftermath = 10s;
  start({{10ms, vm::ConsoleBytes{kWarning}}, {5s, vm::ConsoleBytes{kOops}}}, l);
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  const auto begun = clock.now();
  expect<verdict::ConsoleReport>(monitor->watch_workload());
  EXPECT_EQ(monitor->console().findings().size(), 2U);
  EXPECT_LT(clock.now() - begun, 6s);  // of the fake clock: an oops needs only to settle
}

TEST_F(MonitorTest, AComplaintEndsTheTrialWhenNothingComesOfIt) {
  for (const bool exits : {false, true}) {
    Limits l = limits();
    l.progress = l.heartbeat = 60s;
    l.aftermath = 10s;
    start({{10ms, vm::ConsoleBytes{kWarning}}}, l);
    say(wire::Hello{});
    EXPECT_FALSE(monitor->wait_hello());
    const auto begun = clock.now();
    std::optional<Beating> beating;
    if (exits)
      beating.emplace(*this, [&](int beats) {
        if (beats == 20) say(wire::Exit{});
      });
    expect<verdict::ConsoleReport>(monitor->watch_workload());
    EXPECT_EQ(clock.now() - begun >= 10s, !exits);
  }
}

TEST_F(MonitorTest, TheWholeTrialHasALimit) {
  Limits l = limits();
  l.total = 60ms;
  l.heartbeat = l.progress = 10s;
  start({}, l);
  say(wire::Hello{});
  EXPECT_FALSE(monitor->wait_hello());
  expect<verdict::DeadlinePassed>(monitor->watch_workload());
}

// A deterministic guest tells its counters when it comes to them, which may be before anybody
// waits.
TEST_F(MonitorTest, CountersThatNobodyAskedForAreKeptInTheirOrder) {
  Limits l = limits();
  l.unasked = true;
  start({}, l);
  say(wire::Counters{{{"warn_count", 0}}});
  say(wire::Counters{{{"warn_count", 5}}});
  ASSERT_TRUE(monitor->wait_counters(10ms));
  EXPECT_EQ(monitor->counters().at("warn_count"), 0u);
  ASSERT_TRUE(monitor->wait_counters(10ms));
  EXPECT_EQ(monitor->counters().at("warn_count"), 5u);
  EXPECT_FALSE(monitor->wait_counters(10ms));
}

TEST_F(MonitorTest, AnAnswerToAnEarlierQuestionIsNone) {
  start({});
  say(wire::Counters{{{"warn_count", 5}}});
  EXPECT_FALSE(monitor->wait_counters(10ms));
}

// The host may have given a deterministic guest so little that nothing follows of its silence.
TEST_F(MonitorTest, ASilenceOfFewInstructionsIsNone) {
  Limits l = limits();
  l.instructions = 1000;
  l.total = 10s;
  l.progress = Clock::duration::zero();
  for (const bool many : {false, true}) {
    start({}, l);
    std::uint64_t count = 0;
    monitor->set_count([&] { return count; });
    say(wire::Hello{});
    ASSERT_FALSE(monitor->wait_hello());
    say(wire::Beat{.cpu = 0});
    count = many ? 1000 : 999;
    const Ending ending = monitor->watch_workload();
    if (many)
      expect<verdict::HeartbeatSilence>(ending);
    else
      expect<verdict::DeadlinePassed>(ending);
  }
}

// ... and so with its workload: one that was given no time stands by no fault of its own.
TEST_F(MonitorTest, AWorkloadThatRanFewInstructionsDoesNotStand) {
  Limits l = limits();
  l.instructions = 1000;
  l.progress_instructions = 2000;
  l.heartbeat = 60s;
  l.total = 10s;
  for (const bool many : {false, true}) {
    start({}, l);
    const auto begun = clock.now();
    monitor->set_count([&]() -> std::uint64_t {
      return clock.now() - begun < 1s ? 500 : many ? 2500 : 2499;
    });
    say(wire::Hello{});
    ASSERT_FALSE(monitor->wait_hello());
    const Ending ending = monitor->watch_workload();
    if (many)
      expect<verdict::ProgressSilence>(ending);
    else
      expect<verdict::DeadlinePassed>(ending);
  }
}

// Unpacking a kernel takes instructions, and a busy host its time.
TEST_F(MonitorTest, ABootOfFewInstructionsMayTakeAsLongAsTheHostNeeds) {
  Limits l = limits();
  l.boot_instructions = 1000;
  l.first_output = 1s;
  for (const bool many : {false, true}) {
    start({}, l);
    const auto begun = clock.now();
    monitor->set_count([&]() -> std::uint64_t { return many ? 1000 : 999; });
    const auto ending = monitor->wait_hello();
    ASSERT_TRUE(ending);
    expect<verdict::DeadlinePassed>(ending);
    EXPECT_EQ(clock.now() - begun > 2s, !many);
  }
}

}  // namespace
}  // namespace ktrial::trial
