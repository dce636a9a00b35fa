#include "harness/base/stop_on_signal.h"

#include <pthread.h>
#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <thread>

namespace ktrial {
namespace asio = boost::asio;

// The waiting is done by a thread of its own.
struct StopOnSignal::State {
  asio::io_context io{1};
  asio::signal_set set{io, SIGINT, SIGTERM};
  std::stop_source stop;
  std::jthread thread;  // last: joined before what it uses goes
};

StopOnSignal::StopOnSignal() : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.set.async_wait([&state](auto error, int) {
    if (!error) state.stop.request_stop();
  });
  state.thread = std::jthread([&state] {
    ::pthread_setname_np(::pthread_self(), "signals");
    state.io.run();
  });
}

StopOnSignal::~StopOnSignal() { state_->io.stop(); }

std::stop_token StopOnSignal::token() const { return state_->stop.get_token(); }

}  // namespace ktrial
