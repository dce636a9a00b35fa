#include "harness/bisect/trial_lab.h"

#include <map>
#include <optional>
#include <utility>

#include "harness/base/stop_on_signal.h"
#include "harness/kernel/kernel.h"

namespace ktrial::bisect {
namespace {

// A bad one shows in two, a good one takes ten.
constexpr int kTrialsOfOneKernel = 8;

class TrialLab final : public Lab {
 public:
  TrialLab(run::Job job, engine::Engine& engine, Maker maker)
      : job_(std::move(job)), engine_(engine), maker_(std::move(maker)) {
    job_.spec.repeat = 1;
    job_.of_many = kTrialsOfOneKernel;
    job_.spec.until_fail = false;
  }

  Result<Made> make(const std::string& commit) override {
    if (maker_) return maker_(commit);
    const engine::JobId wanted = submit_build(commit);
    for (;;) {
      auto done = engine_.next();
      if (!done) return fail(ErrorKind::internal, "no engine for a build");
      if (done->job == wanted) return made_of(*done);
      if (done->job == aside_) aside_done_ = std::move(done);
    }
  }

  void begin_aside(const std::string& commit) override {
    aside_ = submit_build(commit);
    aside_done_.reset();
  }

  std::optional<Result<Made>> take_aside(bool wait) override {
    while (wait && !aside_done_) {
      auto done = engine_.next();
      if (!done) return std::nullopt;
      if (done->job == aside_) aside_done_ = std::move(done);
    }
    if (!aside_done_) return std::nullopt;
    const engine::Done done = *std::exchange(aside_done_, std::nullopt);
    aside_ = 0;
    return made_of(done);
  }

  void stop_aside() override {
    engine_.cancel(aside_);
    (void)take_aside(true);
  }

  // What was judged is told, also when others were not: what kept those from it, a signal or a
  // full disk, is met again, and told, with the next trials.
  Result<std::vector<results::TrialRecord>> run(const MadeKernel& kernel, int trials) override {
    job_.spec.kernel = kernel.reference;
    for (int i = 0; i < trials; ++i) {
      engine_.submit(job_);
      if (job_.spec.deterministic) ++job_.spec.seed;  // the same one says nothing new
    }
    std::map<engine::JobId, results::TrialRecord> records;  // in the order of submission
    std::optional<Error> error;
    for (int open = trials; open > 0;) {
      auto done = engine_.next();
      if (!done) break;
      if (done->job == aside_) {
        aside_done_ = std::move(done);
        continue;
      }
      --open;
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
  engine::JobId submit_build(const std::string& commit) {
    run::Job making = job_;
    making.spec.kernel = "git:" + commit;
    making.kernel_only = true;
    return engine_.submit(std::move(making));
  }
  static Result<Made> made_of(const engine::Done& done) {
    if (!done.made) return std::unexpected(why_none(done.how));
    if (!done.made->kernel.empty()) return MadeKernel{done.made->kernel};
    return Unbuildable{done.made->problem, done.made->log};
  }
  static Error why_none(const engine::How& how) {
    if (std::holds_alternative<engine::Cancelled>(how))
      return {ErrorKind::interrupted, "interrupted"};
    if (const auto* lost = std::get_if<engine::Lost>(&how))
      return {ErrorKind::environment, "a job was lost: " + lost->reason};
    return std::get<engine::Finished>(how).error.value_or(
        Error{ErrorKind::internal, "a run without a trial"});
  }

  run::Job job_;
  engine::Engine& engine_;
  Maker maker_;
  engine::JobId aside_ = 0;  // 0: none
  std::optional<engine::Done> aside_done_;
};

}  // namespace

std::unique_ptr<Lab> trial_lab(run::Job job, engine::Engine& engine, Maker maker) {
  return std::make_unique<TrialLab>(std::move(job), engine, std::move(maker));
}

Maker package_maker(bool offline, std::function<void(std::string_view)> progress) {
  return [offline, progress = std::move(progress)](const std::string& commit) -> Result<Made> {
    const StopOnSignal signals;
    const std::string reference = "deb:" + commit;
    const auto kernel = kernel::resolve(KTRIAL_TRY(kernel::parse_reference(reference)),
                                        {.cache_dir = KTRIAL_TRY(kernel::default_cache_dir()),
                                         .offline = offline,
                                         .progress = progress,
                                         .stop = signals.token()});
    if (kernel) return MadeKernel{reference};
    // The archive has it no longer, or it holds nothing that boots: of this
    // commit. Anything else would hit the next one, too.
    if (kernel.error().kind == ErrorKind::usage) return Unbuildable{kernel.error().message, {}};
    return std::unexpected(kernel.error());
  };
}

}  // namespace ktrial::bisect
