// The time that a trial goes by, and the one way to wait in it. A test turns it by hand:
// fake_clock.h.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>

namespace ktrial {

class Clock {
 public:
  using duration = std::chrono::steady_clock::duration;
  using time_point = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  virtual time_point now() const = 0;
  // Handles what happens until something did, with all that came at once, or until `deadline`.
  virtual void wait(time_point deadline) = 0;
};

inline double in_seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

// The host's steady clock; what happens arrives in one io_context, which must outlive it.
class SteadyClock final : public Clock {
 public:
  explicit SteadyClock(boost::asio::io_context& io) : io_(io) {}
  time_point now() const override { return std::chrono::steady_clock::now(); }
  void wait(time_point deadline) override {
    if (io_.stopped()) io_.restart();
    io_.run_one_until(deadline);
    io_.poll();  // what has already arrived is one batch
  }

 private:
  boost::asio::io_context& io_;
};

}  // namespace ktrial
