// A monitor whose guest is scripted: console by FakeVm, agent by hand.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "harness/base/fake_clock.h"
#include "harness/trial/monitor.h"
#include "harness/vm/fake_vm.h"

namespace ktrial::trial {
using namespace std::chrono_literals;

class NoObserver final : public Observer {};

class MonitorTest : public testing::Test {
 protected:
  // Where a test needs one to pass it sets it.
  static Limits limits() {
    return {.boot = 60s,
            .first_output = 60s,
            .heartbeat = 500ms,
            .fresh_beat = 100ms,
            .progress = 500ms,
            .settle = 30ms,
            .total = 60s};
  }
  void start(std::vector<vm::FakeVm::Step> script, const Limits& l = limits()) {
    monitor.emplace(clock, l, observer);
    vm.emplace(clock, std::move(script));
    handlers = monitor->channel_handlers();
    ASSERT_TRUE(vm->start(monitor->vm_sink()));
    monitor->begin(0);
  }
  void say(const wire::Message& message) {
    const auto stream = std::holds_alternative<wire::Beat>(message) ? channel::StreamId::beat
                                                                    : channel::StreamId::control;
    handlers.on_bytes(stream, wire::encode(message));
  }
  template <class T>
  void expect(const std::optional<verdict::Ending>& ending) {
    ASSERT_TRUE(ending);
    EXPECT_TRUE(std::holds_alternative<T>(*ending)) << "ending " << ending->index();
  }
  // CPU 0 beats every 10 ms until this is gone; each time `also` is told how often it did.
  class Beating {
   public:
    Beating(
        MonitorTest& test, std::function<void(int)> also = [](int) {})
        : test_(test), also_(std::move(also)) {
      beat();
    }
    ~Beating() { *alive_ = false; }
    int count() const { return count_; }

   private:
    void beat() {
      test_.say(wire::Beat{.cpu = 0});
      also_(++count_);
      test_.clock.after(10ms, [this, alive = alive_] {
        if (*alive) beat();
      });
    }
    MonitorTest& test_;
    std::function<void(int)> also_;
    int count_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  };
  FakeClock clock;
  NoObserver observer;
  std::optional<Monitor> monitor;
  std::optional<vm::FakeVm> vm;
  channel::Channel::Handlers handlers;
};

}  // namespace ktrial::trial
