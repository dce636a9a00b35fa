#include "harness/bisect/trial_lab.h"

#include "harness/base/stop_on_signal.h"
#include "harness/kernel/kernel.h"

namespace ktrial::bisect {
namespace {

class TrialLab final : public Lab {
 public:
  TrialLab(spec::TrialSpec spec, trial::RunOptions options, trial::Observer& observer, Maker maker)
      : spec_(std::move(spec)),
        options_(std::move(options)),
        observer_(observer),
        maker_(std::move(maker)) {
    spec_.repeat = 1;
    spec_.until_fail = false;
  }

  Result<Made> make(const std::string& commit) override { return maker_(commit); }

  Result<results::TrialRecord> run(const MadeKernel& kernel) override {
    spec_.kernel = kernel.reference;
    auto run = KTRIAL_TRY(trial::run_trials(spec_, options_, observer_));
    if (run.trials.empty()) return fail(ErrorKind::internal, "a run without a trial");
    return std::move(run.trials.front());
  }

 private:
  spec::TrialSpec spec_;
  trial::RunOptions options_;
  trial::Observer& observer_;
  Maker maker_;
};

}  // namespace

std::unique_ptr<Lab> trial_lab(spec::TrialSpec spec, trial::RunOptions options,
                               trial::Observer& observer, Maker maker) {
  return std::make_unique<TrialLab>(std::move(spec), std::move(options), observer,
                                    std::move(maker));
}

Maker package_maker(bool offline, std::function<void(std::string_view)> progress) {
  return [offline, progress = std::move(progress)](const std::string& commit) -> Result<Made> {
    const StopOnSignal stop;
    const std::string reference = "deb:" + commit;
    const auto kernel = kernel::resolve(
        KTRIAL_TRY(kernel::parse_reference(reference)),
        {.cache_dir = KTRIAL_TRY(kernel::default_cache_dir()),
         .offline = offline,
         .progress = progress,
         .stop = stop.token()});
    if (kernel) return MadeKernel{reference};
    // The archive has it no longer, or it holds nothing that boots: of this
    // commit. Anything else would hit the next one, too.
    if (kernel.error().kind == ErrorKind::usage) return Unbuildable{kernel.error().message, {}};
    return std::unexpected(kernel.error());
  };
}

}  // namespace ktrial::bisect
