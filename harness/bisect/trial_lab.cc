#include "harness/bisect/trial_lab.h"

#include <map>

#include "harness/base/stop_on_signal.h"
#include "harness/kernel/kernel.h"

namespace ktrial::bisect {
namespace {

class TrialLab final : public Lab {
 public:
  TrialLab(run::Job job, engine::Engine& engine, Maker maker)
      : job_(std::move(job)), engine_(engine), maker_(std::move(maker)) {
    job_.spec.repeat = 1;
    job_.spec.until_fail = false;
  }

  Result<Made> make(const std::string& commit) override { return maker_(commit, std::nullopt); }
  Result<Made> make_aside(const std::string& commit, std::stop_token stop) override {
    return maker_(commit, stop);
  }

  // What was judged is told, also when others were not: what kept those from it, a signal or a
  // full disk, is met again, and told, with the next trials.
  Result<std::vector<results::TrialRecord>> run(const MadeKernel& kernel, int trials) override {
    job_.spec.kernel = kernel.reference;
    for (int i = 0; i < trials; ++i) engine_.submit(job_);
    std::map<engine::JobId, results::TrialRecord> records;  // in the order of submission
    std::optional<Error> error;
    while (auto done = engine_.next()) {
      if (done->record && !done->record->trials.empty())
        records[done->job] = std::move(done->record->trials.front());
      else if (!error || std::holds_alternative<engine::Cancelled>(done->how))
        error = why_none(done->how);
    }
    if (records.empty()) return std::unexpected(error.value_or(Error{}));
    std::vector<results::TrialRecord> out;
    for (auto& [job, record] : records) out.push_back(std::move(record));
    return out;
  }

 private:
  static Error why_none(const engine::How& how) {
    if (std::holds_alternative<engine::Cancelled>(how))
      return {ErrorKind::interrupted, "interrupted"};
    if (const auto* lost = std::get_if<engine::Lost>(&how))
      return {ErrorKind::environment, "a trial was lost: " + lost->reason};
    return std::get<engine::Finished>(how).error.value_or(
        Error{ErrorKind::internal, "a run without a trial"});
  }

  run::Job job_;
  engine::Engine& engine_;
  Maker maker_;
};

}  // namespace

std::unique_ptr<Lab> trial_lab(run::Job job, engine::Engine& engine, Maker maker) {
  return std::make_unique<TrialLab>(std::move(job), engine, std::move(maker));
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
