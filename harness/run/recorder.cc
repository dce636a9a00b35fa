#include "harness/run/recorder.h"

#include <chrono>
#include <optional>

#include "results/store/artifacts.h"

namespace ktrial::run {

namespace {
using Clock = std::chrono::steady_clock;
}

struct Recorder::State {
  State(results::ConsoleLog c, results::EventLog e, results::ConsoleLog o, trial::Observer& n)
      : console(std::move(c)), events(std::move(e)), output(std::move(o)), next(n) {}

  std::chrono::nanoseconds now() const { return Clock::now() - begun; }
  void note(Status status) {
    if (!status && !error) error = status.error();
  }
  void event(std::string_view type, const results::EventLog::Fields& fields) {
    note(events.add(now(), type, fields));
  }

  results::ConsoleLog console;
  results::EventLog events;
  results::ConsoleLog output;  // of the workload; bounded in the same way
  trial::Observer& next;
  const Clock::time_point begun = Clock::now();
  std::optional<Error> error;
};

Result<Recorder> Recorder::create(const std::filesystem::path& folder, trial::Observer& next) {
  auto console = KTRIAL_TRY(results::ConsoleLog::create(folder));
  auto events = KTRIAL_TRY(results::EventLog::create(folder));
  std::error_code error;
  std::filesystem::create_directories(folder / "output", error);
  auto output = KTRIAL_TRY(results::ConsoleLog::create(folder / "output"));
  return Recorder(
      std::make_unique<State>(std::move(console), std::move(events), std::move(output), next));
}

Recorder::Recorder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder::~Recorder() = default;

void Recorder::on_step(const std::string& text) {
  state_->event("step", {{"text", text}});
  state_->next.on_step(text);
}

void Recorder::on_console(std::string_view bytes) {
  state_->note(state_->console.append(bytes, state_->now()));
  state_->next.on_console(bytes);
}

void Recorder::on_output(wire::Stream stream, std::string_view bytes) {
  state_->note(state_->output.append(bytes, state_->now()));
  state_->next.on_output(stream, bytes);
}

void Recorder::on_progress(const wire::Progress& progress) {
  state_->event("progress", {{"done", static_cast<std::int64_t>(progress.done)},
                             {"total", static_cast<std::int64_t>(progress.total)},
                             {"text", progress.text}});
  state_->next.on_progress(progress);
}

void Recorder::on_finding(const console::Finding& finding) {
  state_->event("finding", {{"title", finding.title},
                            {"line", static_cast<std::int64_t>(finding.first_line)}});
  state_->next.on_finding(finding);
}

void Recorder::on_event(const std::string& type, const std::string& text) {
  state_->event(type, {{"text", text}});
  state_->next.on_event(type, text);
}

Status Recorder::close() {
  state_->note(state_->console.finish());
  state_->note(state_->output.finish());
  if (state_->error) return std::unexpected(*state_->error);
  return {};
}

}  // namespace ktrial::run
