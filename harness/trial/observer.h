// Who is told how a trial goes while it runs: progress on stderr, the guest
// program's output, the run directory's logs. All calls come from the trial's
// thread; none may throw.
#pragma once

#include <string>
#include <string_view>

#include "guest/wire/wire.h"
#include "harness/console/analyzer.h"

namespace ktrial::trial {

class Observer {
 public:
  virtual ~Observer() = default;
  // A step begins or ended: "booting 6.1.0-56-cloud-amd64 (tcg, virtio-serial)".
  virtual void on_step(const std::string&) {}
  virtual void on_console(std::string_view) {}
  virtual void on_output(wire::Stream, std::string_view) {}
  virtual void on_progress(const wire::Progress&) {}
  virtual void on_finding(const console::Finding&) {}
  // For the event log: a type and one line of text.
  virtual void on_event(const std::string&, const std::string&) {}
};

}  // namespace ktrial::trial
