// What ends the wait for a guest's hello.
#include "harness/trial/fake_watch.h"

namespace ktrial::trial {
namespace {

TEST_F(MonitorTest, HelloEndsTheBoot) {
  start({});
  say(wire::Hello{.kernel_release = "6.1"});
  EXPECT_FALSE(monitor->wait_hello());
  EXPECT_EQ(monitor->hello()->kernel_release, "6.1");
}

TEST_F(MonitorTest, AKernelThatPrintsNothingIsGivenUpEarly) {
  Limits l = limits();
  l.first_output = 200ms;
  start({}, l);
  auto ending = monitor->wait_hello();
  expect<verdict::DeadlinePassed>(ending);
  EXPECT_LT(std::get<verdict::DeadlinePassed>(*ending).seconds, 50);
}

TEST_F(MonitorTest, AKernelThatPrintsIsGivenTheWholeBootTime) {
  Limits l = limits();
  l.boot = 1s;
  l.first_output = 700ms;
  start({{0ms, vm::ConsoleBytes{"[    0.000000] Linux version 6.1\n"}}}, l);
  auto ending = monitor->wait_hello();
  expect<verdict::DeadlinePassed>(ending);
  EXPECT_GE(std::get<verdict::DeadlinePassed>(*ending).seconds, .99);
}

// A boot whose console says `line` at once, and nothing from then on; how often its vCPUs were
// looked at, when the third look is proof.
struct QuietBoot {
  int looks = 0;
  double seconds = 0;
};

TEST_F(MonitorTest, ABootThatStandsIsSeenByItsVcpus) {
  const auto quiet = [&](const char* line) {
    Limits l = limits();
    l.late = 3s;
    l.look_spacing = 750ms;
    start({{0ms, vm::ConsoleBytes{line}}}, l);
    QuietBoot out;
    monitor->set_early_look([&] { return ++out.looks == 3; });
    const auto ending = monitor->wait_hello();
    expect<verdict::DeadlinePassed>(ending);
    out.seconds = std::get<verdict::DeadlinePassed>(*ending).seconds;
    return out;
  };
  const QuietBoot up = quiet("[    0.300000] smp: Brought up 1 node, 4 CPUs\n");
  EXPECT_EQ(up.looks, 3);
  EXPECT_LT(up.seconds, 6);
  // One CPU alone may set up a large memory for long.
  const QuietBoot alone = quiet("[    0.000000] Linux version 6.1\n");
  EXPECT_EQ(alone.looks, 0);
  EXPECT_GE(alone.seconds, 60);
}

TEST_F(MonitorTest, ABootThatWillBeTriedAgainMayNotBeSilentForLong) {
  Limits l = limits();
  l.boot_silence = 20s;
  start({{0ms, vm::ConsoleBytes{"[    0.000000] Linux version 6.1\n"}},
         {15s, vm::ConsoleBytes{"[   15.000000] still here\n"}}},
        l);
  const auto ending = monitor->wait_hello();
  expect<verdict::DeadlinePassed>(ending);
  EXPECT_NEAR(std::get<verdict::DeadlinePassed>(*ending).seconds, 35, 1);
}

TEST_F(MonitorTest, AStoppedMachineIsNoticedAtOnce) {
  start({{5ms, vm::Stopped{"KVM internal error"}}});
  expect<verdict::VmStopped>(monitor->wait_hello());
}

TEST_F(MonitorTest, AShutdownReasonOutlivesTheMachine) {
  start({{1ms, vm::GuestShutdown{"guest-reset"}}, {1ms, vm::Exited{{false, 0}, ""}}});
  auto ending = monitor->wait_hello();
  expect<verdict::VmEnded>(ending);
  EXPECT_EQ(std::get<verdict::VmEnded>(*ending).shutdown, "guest-reset");
}

TEST_F(MonitorTest, AStopAfterAShutdownIsNoStop) {
  start({{1ms, vm::GuestShutdown{"guest-shutdown"}},
         {1ms, vm::Stopped{"paused"}},
         {1ms, vm::Exited{{false, 0}, ""}}});
  expect<verdict::VmEnded>(monitor->wait_hello());
}

}  // namespace
}  // namespace ktrial::trial
