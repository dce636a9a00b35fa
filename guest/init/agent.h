// The agent's main loop: obeys the host, runs the workload, reaps children.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "guest/init/output_files.h"
#include "guest/init/runner.h"
#include "guest/init/tracing.h"
#include "guest/wire/wire.h"

namespace ktrial::init {

// What the host learns first. `kernel` facts are uname's.
wire::Hello make_hello(const std::string& command_line);

class Agent {
 public:
  struct Options {
    bool alone = false;                 // see Runner
    std::function<void()> each_second;  // called about once a second
    std::string tracefs = kTracefs;
    std::optional<std::string> script = {};  // what the host would say, see guest/wire/script.h
    std::string output = kOutputFolder;
  };
  // `control`: borrowed, non-blocking.
  Agent(int control, Options options);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Queues a message, and sends what can be sent without waiting.
  void send(const wire::Message& message);
  // Serves until the host wants power off (returns an empty string) or until
  // the control stream is lost or unsound (returns why). SIGCHLD must be
  // blocked in all threads of the process, and all its children are reaped.
  std::string run();

 private:
  void serve_once();
  void follow_script();
  void wait_for_events();
  void read_control();
  void obey(const wire::Message& message);
  void reap();
  void flush();
  template <typename Pieces>
  void send_some(std::optional<Pieces>& from);
  void send_clocks();
  bool has_room() const;
  void drain_before_end();
  void end(std::string why);

  const int control_;
  const Options options_;
  int signals_ = -1;
  Runner runner_;
  TraceClock trace_clock_;
  bool begun_ = false;                // Run came: the trace's clock is what it stays
  std::optional<TraceReader> trace_;  // while the trace is being sent
  std::optional<OutputFiles> files_;  // while these are
  wire::Decoder decoder_, script_;
  std::string queue_;  // bytes for the host, from `sent_` on
  std::size_t sent_ = 0;
  std::uint64_t next_second_ns_ = 0;
  bool ended_ = false;
  bool lost_ = false;
  std::string why_;
};

}  // namespace ktrial::init
