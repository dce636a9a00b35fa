#include "harness/bisect/trial_lab.h"

#include <future>
#include <mutex>

#include "harness/base/stop_on_signal.h"
#include "harness/kernel/kernel.h"

namespace ktrial::bisect {
namespace {

// The steps of trials that run at the same time.
class Shared final : public trial::Observer {
 public:
  explicit Shared(trial::Observer& observer) : observer_(observer) {}
  void on_step(const std::string& text) override {
    const std::lock_guard lock(mutex_);
    observer_.on_step(text);
  }

 private:
  trial::Observer& observer_;
  std::mutex mutex_;
};

class TrialLab final : public Lab {
 public:
  TrialLab(spec::TrialSpec spec, run::RunOptions options, trial::Observer& observer, Maker maker)
      : spec_(std::move(spec)),
        options_(std::move(options)),
        observer_(observer),
        maker_(std::move(maker)) {
    spec_.repeat = 1;
    spec_.until_fail = false;
  }

  Result<Made> make(const std::string& commit) override { return maker_(commit, std::nullopt); }
  Result<Made> make_aside(const std::string& commit, std::stop_token stop) override {
    return maker_(commit, stop);
  }

  Result<std::vector<results::TrialRecord>> run(const MadeKernel& kernel, int trials) override {
    spec_.kernel = kernel.reference;
    options_.at_once = trials;
    if (trials == 1) return std::vector{KTRIAL_TRY(one(observer_))};
    Shared shared(observer_);
    std::vector<std::future<Result<results::TrialRecord>>> running;
    for (int i = 0; i < trials; ++i)
      running.push_back(std::async(std::launch::async, [&] { return one(shared); }));
    // All end before the first error, if any, is told.
    for (const auto& trial : running) trial.wait();
    std::vector<results::TrialRecord> records;
    for (auto& trial : running) records.push_back(KTRIAL_TRY(trial.get()));
    return records;
  }

 private:
  Result<results::TrialRecord> one(trial::Observer& observer) const {
    auto run = KTRIAL_TRY(run::run_trials(spec_, options_, observer));
    if (run.trials.empty()) return fail(ErrorKind::internal, "a run without a trial");
    return std::move(run.trials.front());
  }

  spec::TrialSpec spec_;
  run::RunOptions options_;
  trial::Observer& observer_;
  Maker maker_;
};

}  // namespace

std::unique_ptr<Lab> trial_lab(spec::TrialSpec spec, run::RunOptions options,
                               trial::Observer& observer, Maker maker) {
  return std::make_unique<TrialLab>(std::move(spec), std::move(options), observer,
                                    std::move(maker));
}

Maker package_maker(bool offline, std::function<void(std::string_view)> progress) {
  return [offline, progress = std::move(progress)](
             const std::string& commit,
             const std::optional<std::stop_token>& aside) -> Result<Made> {
    std::optional<StopOnSignal> signals;
    if (!aside) signals.emplace();
    const std::string reference = "deb:" + commit;
    const auto kernel = kernel::resolve(
        KTRIAL_TRY(kernel::parse_reference(reference)),
        {.cache_dir = KTRIAL_TRY(kernel::default_cache_dir()),
         .offline = offline,
         .progress = aside ? nullptr : progress,
         .stop = aside ? *aside : signals->token()});
    if (kernel) return MadeKernel{reference};
    // The archive has it no longer, or it holds nothing that boots: of this
    // commit. Anything else would hit the next one, too.
    if (kernel.error().kind == ErrorKind::usage) return Unbuildable{kernel.error().message, {}};
    return std::unexpected(kernel.error());
  };
}

}  // namespace ktrial::bisect
