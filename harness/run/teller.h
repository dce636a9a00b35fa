// What a trial's observer hears, as a job's events.
#pragma once

#include <chrono>
#include <optional>

#include "harness/kernel/build/build.h"
#include "harness/run/event.h"
#include "harness/trial/observer.h"

namespace ktrial::run {

class Teller final : public trial::Observer {
 public:
  // `sink` must outlive it.
  explicit Teller(const Sink& sink) : sink_(sink) {}
  // Of which trial the following events are; unset: of the job as a whole.
  void set_trial(std::optional<int> index) { trial_ = index; }
  void tell(What what);

  void on_step(const std::string& text) override { tell(Step{text}); }
  void on_output(wire::Stream stream, std::string_view bytes) override {
    tell(Output{stream, std::string(bytes)});
  }
  void on_progress(const wire::Progress& progress) override {
    tell(Progress{progress.done, progress.total, progress.text});
  }
  void on_finding(const console::Finding& finding) override { tell(Reported{finding.title}); }
  void on_build(const kernel::BuildProgress& progress);

 private:
  const Sink& sink_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::optional<int> trial_;
};

}  // namespace ktrial::run
