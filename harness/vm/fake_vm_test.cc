// The fake keeps what vm.h promises: tests over it would prove little else.
#include "harness/vm/fake_vm.h"

#include <gtest/gtest.h>

namespace ktrial::vm {
namespace {
using namespace std::chrono_literals;

class FakeVmTest : public testing::Test {
 protected:
  void start(std::vector<FakeVm::Step> script = {}) {
    machine.emplace(clock, std::move(script));
    ASSERT_TRUE(machine->start([this](VmEvent event) { events.push_back(std::move(event)); }));
  }
  void run(Clock::duration time) {
    for (const auto until = clock.now() + time; clock.now() < until;) clock.wait(until);
  }
  FakeClock clock;
  std::optional<FakeVm> machine;
  std::vector<VmEvent> events;
};

TEST_F(FakeVmTest, EventsComeInTheirOrderAndTime) {
  start({{5ms, ConsoleBytes{"a"}}, {10ms, ConsoleBytes{"b"}}});
  run(14ms);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(std::get<ConsoleBytes>(events[0]).bytes, "a");
  run(1ms);
  EXPECT_EQ(events.size(), 2u);
}

TEST_F(FakeVmTest, NothingFollowsTheExit) {
  start({{1ms, Exited{}}, {1ms, ConsoleBytes{"late"}}});
  run(1s);
  EXPECT_EQ(events.size(), 1u);
  EXPECT_FALSE(machine->pause(1s));
  EXPECT_FALSE(machine->resume(1s));
  EXPECT_FALSE(machine->sample_vcpus(1s));
  EXPECT_FALSE(machine->inject_nmi(1s));
  EXPECT_FALSE(machine->status(1s));
}

TEST_F(FakeVmTest, APausedMachineSaysNothingUntilItGoesOn) {
  start({{1ms, ConsoleBytes{"x"}}});
  EXPECT_TRUE(machine->pause(1s));
  EXPECT_TRUE(machine->pause(1s)) << "idempotent";
  EXPECT_EQ(machine->status(1s), "paused");
  run(1s);
  EXPECT_TRUE(events.empty()) << "a pause of ours is no event";
  EXPECT_TRUE(machine->resume(1s));
  EXPECT_TRUE(machine->resume(1s)) << "idempotent";
  EXPECT_EQ(machine->status(1s), "running");
  EXPECT_EQ(events.size(), 1u);
}

TEST_F(FakeVmTest, APortIsTakenOnceAndAfterTheStart) {
  FakeVm unborn(clock);
  EXPECT_FALSE(unborn.take_port("p"));
  start();
  EXPECT_TRUE(machine->take_port("p"));
  EXPECT_FALSE(machine->take_port("p"));
  EXPECT_TRUE(machine->take_port("q"));
}

TEST_F(FakeVmTest, DestructionIsTheEndAndMayBeRepeated) {
  start({{1ms, ConsoleBytes{"x"}}, {1ms, Exited{}}});
  machine->destroy();
  machine->destroy();
  run(1s);
  EXPECT_TRUE(events.empty());
  machine.reset();
  run(1s);  // what was due finds nobody
}

TEST_F(FakeVmTest, AMonitorMayNotAnswer) {
  start();
  machine->mute = Error{ErrorKind::environment, "QMP does not answer"};
  EXPECT_FALSE(machine->pause(1s));
  EXPECT_FALSE(machine->ram(1s));
  machine->mute.reset();
  EXPECT_TRUE(machine->pause(1s));
}

}  // namespace
}  // namespace ktrial::vm
