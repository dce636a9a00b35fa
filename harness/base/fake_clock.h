// A clock for tests: it stands still but in wait(), which jumps to what is due next.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "harness/base/clock.h"

namespace ktrial {

class FakeClock final : public Clock {
 public:
  time_point now() const override { return now_; }
  void wait(time_point deadline) override {
    if (due_.empty() || due_.begin()->first > deadline) {
      now_ = std::max(now_, deadline);
      return;
    }
    now_ = std::max(now_, due_.begin()->first);
    while (!due_.empty() && due_.begin()->first <= now_) {
      auto happen = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      happen();
    }
  }
  // `happen` is called by wait(), that long from now.
  void after(duration time, std::function<void()> happen) {
    due_.emplace(now_ + time, std::move(happen));
  }

 private:
  time_point now_{std::chrono::hours(24)};  // a host that is up for a day
  std::multimap<time_point, std::function<void()>> due_;
};

}  // namespace ktrial
