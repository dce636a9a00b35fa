// An observer that leaves in a folder what harness/run's Recorder does, by a test's clock.
#pragma once

#include <filesystem>
#include <string>

#include "harness/base/fake_clock.h"
#include "harness/trial/observer.h"
#include "results/store/artifacts.h"

namespace ktrial::trial {

class FakeRecorder final : public Observer {
 public:
  FakeRecorder(const std::filesystem::path& folder, FakeClock& clock)
      : clock_(clock),
        begun_(clock.now()),
        console_(*results::ConsoleLog::create(folder)),
        events_(*results::EventLog::create(folder)),
        output_(make_output(folder)) {}

  void on_console(std::string_view bytes) override { (void)console_.append(bytes, now()); }
  void on_output(wire::Stream, std::string_view bytes) override {
    (void)output_.append(bytes, now());
  }
  void on_event(const std::string& type, const std::string& text) override {
    all += type + ": " + text + "\n";
    (void)events_.add(now(), type, {{"text", text}});
  }
  void finish() {
    (void)console_.finish();
    (void)output_.finish();
  }
  std::string all;  // events

 private:
  static results::ConsoleLog make_output(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder / "output");
    return *results::ConsoleLog::create(folder / "output");
  }
  std::chrono::nanoseconds now() const { return clock_.now() - begun_; }

  FakeClock& clock_;
  const Clock::time_point begun_;
  results::ConsoleLog console_;
  results::EventLog events_;
  results::ConsoleLog output_;
};

}  // namespace ktrial::trial
