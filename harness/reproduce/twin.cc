#include "harness/reproduce/twin.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace ktrial::reproduce {
namespace {

// Measured: small shifts and this one show races; others change what a guest's second is.
constexpr int kShifts[] = {4, 2, 1, 5};
constexpr int kMostLostTwins = 3;  // in a row, and none can run here

spec::TrialSpec as_deterministic(spec::TrialSpec spec) {
  const spec::TrialSpec defaults;
  spec.deterministic = true;
  spec.repeat = 1;
  spec.until_fail = false;
  // What only its parallel run was asked for, and what no deterministic one can be.
  spec.trace.clear();
  spec.trace_stop.clear();
  spec.delay_at.clear();
  spec.perturb.clear();
  spec.core = spec.keep_machine = false;
  spec.accel = defaults.accel;
  spec.vmm = defaults.vmm;
  spec.connect.clear();
  spec.channel = defaults.channel;
  spec.start = defaults.start;
  spec.guest_seed.clear();
  spec.confirm_cold = 0;
  spec.axes.clear();
  return spec;
}

class TwinSearcher {
 public:
  TwinSearcher(const std::vector<TwinVariant>& variants, const std::string& signature,
               const run::Job& job, engine::Engine& engine, const TwinOptions& options,
               const std::function<void(const std::string&)>& tell)
      : variants_(variants),
        signature_(signature),
        job_(job),
        engine_(engine),
        options_(options),
        tell_(tell) {}

  Result<TwinSearch> run() {
    begun_ = options_.now();
    submit_more();
    while (auto done = engine_.next()) {
      const auto found = open_.find(done->job);
      if (found == open_.end()) continue;
      TwinTrial trial = std::move(found->second);
      open_.erase(found);
      KTRIAL_TRY(take(std::move(trial), std::move(*done)));
      if (!out_.twin) submit_more();
    }
    out_.seconds = options_.now() - begun_;
    return std::move(out_);
  }

 private:
  bool room() const {
    return options_.now() - begun_ < options_.budget_s &&
           (options_.most_trials == 0 || submitted_ < options_.most_trials);
  }

  // Diagonally: the k-th variant begins when those before it have had a seed more each.
  std::pair<std::size_t, int> next_candidate() {
    const std::pair<std::size_t, int> out{variant_, diagonal_ - static_cast<int>(variant_)};
    ++variant_;
    if (variant_ == variants_.size() || diagonal_ == static_cast<int>(variant_)) {
      variant_ = 0;
      ++diagonal_;
    }
    return out;
  }

  void submit_more() {
    while (!variants_.empty() && std::ssize(open_) < options_.at_once && room()) {
      const auto [variant, seed] = next_candidate();
      TwinTrial trial{.what = variants_[variant].what,
                      .spec = variants_[variant].spec,
                      .record = {},
                      .run = {},
                      .problem = {}};
      trial.spec.seed = seed;
      run::Job one = job_;
      one.spec = trial.spec;
      tell_(fmt::format("trial {}: {}, seed {}", ++submitted_, trial.what, seed));
      open_.emplace(engine_.submit(std::move(one)), std::move(trial));
    }
  }

  Status take(TwinTrial trial, engine::Done done) {
    const bool cancelled = std::holds_alternative<engine::Cancelled>(done.how);
    if (cancelled && out_.twin) return {};
    if (cancelled) return fail(ErrorKind::interrupted, "interrupted");
    if (!done.record || done.record->trials.empty()) return take_lost(std::move(trial), done.how);
    lost_ = 0;
    trial.run = done.record->id;
    trial.record = std::move(done.record->trials.front());
    const results::Verdict& verdict = trial.record->verdict;
    const bool found = is_twin(*trial.record, signature_);
    tell_(fmt::format("seed {}, {}: {}", trial.spec.seed, trial.what,
                      found                    ? "the twin: " + verdict.title
                      : !verdict.title.empty() ? "another failure: " + verdict.title
                                               : std::string(name(verdict.outcome))));
    if (found && !out_.twin) {
      out_.twin = trial;
      for (const auto& [job, other] : open_) engine_.cancel(job);
    }
    out_.trials.push_back(std::move(trial));
    return {};
  }

  Status take_lost(TwinTrial trial, const engine::How& how) {
    const auto* finished = std::get_if<engine::Finished>(&how);
    const auto* lost = std::get_if<engine::Lost>(&how);
    // What the user got wrong is wrong for every seed.
    if (finished != nullptr && finished->error && finished->error->kind == ErrorKind::usage)
      return std::unexpected(*finished->error);
    trial.problem = lost != nullptr                          ? lost->reason
                    : finished != nullptr && finished->error ? finished->error->message
                                                             : "a run without a trial";
    tell_(fmt::format("seed {}, {}: lost: {}", trial.spec.seed, trial.what, trial.problem));
    if (++lost_ == kMostLostTwins && !out_.twin)
      return fail(ErrorKind::environment, "no trial comes to an end here: " + trial.problem);
    out_.trials.push_back(std::move(trial));
    return {};
  }

  const std::vector<TwinVariant>& variants_;
  const std::string& signature_;
  const run::Job& job_;
  engine::Engine& engine_;
  const TwinOptions& options_;
  const std::function<void(const std::string&)>& tell_;
  TwinSearch out_;
  std::map<engine::JobId, TwinTrial> open_;
  std::size_t variant_ = 0;
  int diagonal_ = 1, submitted_ = 0, lost_ = 0;
  double begun_ = 0;
};

}  // namespace

std::vector<TwinVariant> twin_variants(const spec::TrialSpec& failed,
                                       const spec::HintedWorkload* hinted) {
  std::vector<TwinVariant> out;
  const spec::TrialSpec base = as_deterministic(failed);
  const auto add = [&](spec::TrialSpec spec, int shift, const std::string& what) {
    spec.shift = shift;
    out.push_back({std::move(spec), fmt::format("{}, shift {}", what, shift)});
  };
  add(base, kShifts[0], "as it ran");
  add(base, kShifts[1], "as it ran");
  if (hinted != nullptr && failed.command.empty())
    for (const auto& [key, value] : hinted->races) {
      if (failed.parameters.contains(key)) continue;
      spec::TrialSpec one = base;
      one.set_parameter(key, value, "workload.toml: races");
      add(one, kShifts[0], key + "=" + value);
    }
  for (std::size_t i = 2; i < std::size(kShifts); ++i) add(base, kShifts[i], "as it ran");
  return out;
}

bool is_twin(const results::TrialRecord& record, const std::string& signature) {
  return record.verdict.outcome == results::Outcome::fail &&
         record.verdict.signature == signature && record.determinism &&
         record.determinism->runs == 2 && record.determinism->parted.empty();
}

Result<TwinSearch> find_twin(const std::vector<TwinVariant>& variants, const std::string& signature,
                             const run::Job& job, engine::Engine& engine,
                             const TwinOptions& options,
                             const std::function<void(const std::string&)>& tell) {
  return TwinSearcher(variants, signature, job, engine, options, tell).run();
}

}  // namespace ktrial::reproduce
