#include "harness/bisect/speculation.h"

#include <sched.h>

#include "harness/base/stop_on_signal.h"

namespace ktrial::bisect {

void Speculation::begin(const std::string& commit) {
  commit_ = commit;
  stop_ = std::stop_source();
  future_ = std::async(std::launch::async, [this, commit, token = stop_.get_token()] {
    // Of this thread and of the compilers that it starts. A trial that waits for the
    // CPU is one that says nothing.
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_IDLE, &none);
    return lab_.make_aside(commit, token);
  });
}

std::optional<Result<Made>> Speculation::poll() {
  if (!busy() || future_.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    return std::nullopt;
  return future_.get();
}

Result<Made> Speculation::wait() {
  const StopOnSignal signals;
  const std::stop_callback relay(signals.token(), [this] { stop_.request_stop(); });
  return future_.get();
}

void Speculation::stop() {
  if (!busy()) return;
  stop_.request_stop();
  (void)future_.get();
}

}  // namespace ktrial::bisect
