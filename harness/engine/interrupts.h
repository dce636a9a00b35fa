// What SIGINT and SIGTERM do to an engine: the first one may let what runs come to its end, each
// other one ends all.
#pragma once

#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <utility>

namespace ktrial::engine {

class Interrupts {
 public:
  // Heard while `io` runs. `finish_first`: of the options; `end` is told whether what runs may go
  // on. Outlived by what they use.
  Interrupts(boost::asio::io_context& io, bool finish_first, std::function<void(bool finish)> end)
      : signals_(io, SIGINT, SIGTERM), finish_first_(finish_first), end_(std::move(end)) {
    await();
  }
  bool came() const { return came_; }

 private:
  void await() {
    signals_.async_wait([this](auto error, int) {
      if (error) return;
      const bool first = !std::exchange(came_, true);
      end_(finish_first_ && first);
      await();
    });
  }

  boost::asio::signal_set signals_;
  const bool finish_first_;
  const std::function<void(bool finish)> end_;
  bool came_ = false;
};

}  // namespace ktrial::engine
