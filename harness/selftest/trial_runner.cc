#include "harness/selftest/trial_runner.h"

#include <chrono>

#include "harness/base/file.h"
#include "harness/trial/plan.h"

namespace ktrial::selftest {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxConsole = 128u << 20;  // bytes; twice what a trial keeps

// Passes everything on, and notes when the workload said that it plants.
class Dated final : public trial::Observer {
 public:
  explicit Dated(trial::Observer& inner) : inner_(inner) {}
  std::optional<Clock::time_point> planted_at;
  std::string no_module;

  void on_step(const std::string& text) override {
    if (text.starts_with(trial::kNoModule)) no_module = text.substr(trial::kNoModule.size());
    inner_.on_step(text);
  }
  void on_output(wire::Stream stream, std::string_view bytes) override {
    if (!planted_at && bytes.contains("planting ")) planted_at = Clock::now();
    inner_.on_output(stream, bytes);
  }
  void on_console(std::string_view bytes) override { inner_.on_console(bytes); }
  void on_progress(const wire::Progress& progress) override { inner_.on_progress(progress); }
  void on_finding(const console::Finding& finding) override { inner_.on_finding(finding); }
  void on_event(const std::string& type, const std::string& text) override {
    inner_.on_event(type, text);
  }

 private:
  trial::Observer& inner_;
};

}  // namespace

Runner trial_runner(const run::RunOptions& options, trial::Observer& observer) {
  return [&options, &observer](const Fault& fault, const spec::TrialSpec& spec) -> Result<Planted> {
    Dated dated(observer);
    run::RunOptions planted_options = options;
    if (fault.expected.outcome != results::Outcome::inconclusive) planted_options.boots = 2;
    planted_options.introspect = fault.name == "none";  // of a guest that is well
    const auto run = KTRIAL_TRY(run::run_trials(spec, planted_options, dated));
    const auto ended = Clock::now();
    if (run.trials.empty()) return fail(ErrorKind::internal, "a run without a trial");
    Planted planted{.record = run.trials.front(),
                    .begun = dated.planted_at || fault.way == Way::init,
                    .no_module = dated.no_module};
    if (dated.planted_at)
      planted.seconds = std::chrono::duration<double>(ended - *dated.planted_at).count();
    else if (fault.way == Way::init)  // planted before the boot
      planted.seconds = planted.record.duration_s;
    // What is not there does not hold the text that is looked for.
    planted.console = read_file(planted.record.artifacts / "console.log", kMaxConsole).value_or("");
    return planted;
  };
}

}  // namespace ktrial::selftest
