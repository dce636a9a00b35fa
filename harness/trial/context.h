// What a trial lives in.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>

#include "harness/base/clock.h"
#include "harness/base/janitor.h"
#include "harness/trial/monitor.h"
#include "harness/trial/observer.h"

namespace ktrial::trial {

struct TrialContext {
  boost::asio::io_context& io;
  Clock& clock;  // over `io`, but in tests
  Janitor& janitor;
  Observer& observer;
  // Set while a trial runs, so that a signal handler can reach it.
  Monitor*& active;
  std::function<bool()> interrupted = {};  // told where no monitor is
  bool boots_again = false;                // what comes to no hello is booted once more
};

}  // namespace ktrial::trial
