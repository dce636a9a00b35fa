#include "harness/bisect/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "harness/base/stop_on_signal.h"

namespace ktrial::bisect {
namespace {

using Clock = std::chrono::steady_clock;
using Index = CommitGraph::Index;

double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

class Session {
 public:
  Session(Engine& engine, Lab& lab, Journal& journal, const Watcher& watcher, const HowToRun& how)
      : engine_(engine), lab_(lab), journal_(journal), watcher_(watcher), how_(how) {}
  ~Session() {
    if (aside_) lab_.stop_aside();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Result<Step> run() {
    for (const Event& event : journal_.past()) {
      KTRIAL_TRY(tell(engine_, event));
      remember(event);
    }
    for (;;) {
      // Between trials, too, a signal is a request to stop and not the end.
      if (signals_.token().stop_requested()) return fail(ErrorKind::interrupted, "interrupted");
      const Step step = engine_.next();
      watcher_.state(engine_, step);
      const auto* test = std::get_if<TestCommit>(&step);
      if (test == nullptr) return step;
      if (unjudged_ >= kMaxUnjudged && test->commit == unjudged_commit_) {
        KTRIAL_TRY(give_up(test->commit));
        continue;
      }
      KTRIAL_TRY(run_batch(*test));
    }
  }

 private:
  std::string id(Index commit) const { return engine_.graph().id(commit); }

  // Learned from what the journal tells of earlier sessions and from each run.
  void remember(const Event& event) {
    const auto* run = std::get_if<RunEvent>(&event);
    if (run == nullptr || run->outcome != RunOutcome::pass) return;
    pass_seconds_ += run->seconds;
    ++passes_;
  }

  Status record(const Event& event) {
    KTRIAL_TRY(journal_.append(event));
    KTRIAL_TRY(tell(engine_, event));
    remember(event);
    return {};
  }

  // The kernel of the commit, made once a session. Nothing: it was skipped.
  Result<std::optional<MadeKernel>> made(Index commit) {
    if (const auto known = kernels_.find(commit); known != kernels_.end()) return known->second;
    const auto begun = Clock::now();
    Made made = KTRIAL_TRY(make(commit));
    return keep(commit, std::move(made), seconds_since(begun));
  }

  Result<Made> make(Index commit) {
    if (aside_ == id(commit)) {
      watcher_.step("making " + id(commit) + ", begun while trials ran");
      auto made = lab_.take_aside(true);
      aside_.reset();
      // Who was lost on the way is made once more.
      if (made && (*made || made->error().kind == ErrorKind::interrupted)) return *std::move(made);
    }
    if (aside_) lab_.stop_aside();
    aside_.reset();
    watcher_.step("making " + id(commit));
    return lab_.make(id(commit));
  }

  // `seconds`: that the search waited for it.
  Result<std::optional<MadeKernel>> keep(Index commit, Made made, double seconds) {
    if (const auto* broken = std::get_if<Unbuildable>(&made)) {
      watcher_.step(fmt::format("skipping {}: {}", id(commit), broken->reason));
      if (is_end(commit))
        return fail(ErrorKind::environment,
                    fmt::format("{} cannot be tested: {}", id(commit), broken->reason),
                    broken->log.empty()
                        ? "choose another end"
                        : "see " + broken->log.string() + ", or choose another end");
      KTRIAL_TRY(record(SkipEvent{id(commit), seconds, broken->reason}));
      return std::nullopt;
    }
    // A resumed session finds it in the cache; it was counted then.
    if (!counted(commit)) KTRIAL_TRY(record(BuiltEvent{id(commit), seconds}));
    return kernels_[commit] = std::get<MadeKernel>(std::move(made));
  }

  // While trials of `test` run, the kernel that will be wanted if they pass, or fail.
  void speculate(const TestCommit& test) {
    if (!how_.speculate || aside_) return;
    for (const Index commit : engine_.speculative(test)) {
      if (kernels_.contains(commit) || tried_aside_.contains(commit)) continue;
      tried_aside_.insert(commit);
      watcher_.step("making " + id(commit) + " meanwhile");
      aside_ = id(commit);
      return lab_.begin_aside(*aside_);
    }
  }

  Status take_speculated() {
    if (!aside_) return {};
    auto made = lab_.take_aside(false);
    if (!made) return {};
    const auto commit = engine_.graph().find(*std::exchange(aside_, std::nullopt));
    // Its errors are met again if the kernel is really wanted.
    if (commit && *made) KTRIAL_TRY(keep(*commit, std::move(**made), 0));
    return {};
  }

  bool counted(Index commit) const {
    return std::ranges::any_of(journal_.past(), [&](const Event& event) {
      const auto* built = std::get_if<BuiltEvent>(&event);
      return built != nullptr && built->commit == id(commit);
    });
  }

  bool is_end(Index commit) const {
    return commit == engine_.graph().old_end() || commit == engine_.graph().new_end();
  }

  Status run_batch(const TestCommit& test) {
    const auto kernel = KTRIAL_TRY(made(test.commit));
    if (!kernel) return {};
    speculate(test);
    const auto begun = Clock::now();
    const auto trials = KTRIAL_TRY(lab_.run(*kernel, std::clamp(test.runs, 1, how_.at_once)));
    const double seconds = seconds_since(begun) / static_cast<double>(trials.size());
    for (const results::TrialRecord& trial : trials) KTRIAL_TRY(judge(test.commit, trial, seconds));
    return take_speculated();
  }

  // `seconds`: the trial's share of the time.
  Status judge(Index commit, const results::TrialRecord& trial, double seconds) {
    if (journal_.wanted().signature.empty() && trial.verdict.outcome == results::Outcome::fail) {
      KTRIAL_TRY(journal_.set_wanted({trial.verdict.signature, trial.verdict.title}));
      watcher_.step("looking for: " + trial.verdict.title + " (" + trial.verdict.signature + ")");
    }
    const Mark mark = mark_of(trial, journal_.wanted().signature);
    watcher_.step(
        fmt::format("{}: {} after {:.0f} s: {}", id(commit), name(mark), trial.duration_s,
                    trial.verdict.title.empty() ? trial.verdict.reason : trial.verdict.title));
    count_unjudged(commit, mark);
    return record(event_of(commit, mark, seconds, trial));
  }

  RunEvent event_of(Index commit, Mark mark, double seconds,
                    const results::TrialRecord& trial) const {
    RunEvent event{id(commit),
                   mark == Mark::bad    ? RunOutcome::fail
                   : mark == Mark::good ? RunOutcome::pass
                                        : RunOutcome::other,
                   seconds};
    if (event.outcome != RunOutcome::other) return event;
    // Until another failure ended it, a run showed that this one did not come.
    event.share = 0;
    if (mark == Mark::other && passes_ > 0)
      event.share =
          std::clamp(trial.duration_s / (how_.at_once * pass_seconds_ / passes_), 0.0, 1.0);
    return event;
  }

  void count_unjudged(Index commit, Mark mark) {
    if (mark != Mark::none || commit != unjudged_commit_) unjudged_ = 0;
    unjudged_commit_ = commit;
    unjudged_ += mark == Mark::none;
  }

  // It never gives a verdict: a boot that fails, a host that starves it.
  Status give_up(Index commit) {
    unjudged_ = 0;
    const std::string why = fmt::format("{} trials in a row gave no verdict", kMaxUnjudged);
    if (is_end(commit))
      return fail(ErrorKind::environment, id(commit) + ": " + why,
                  "see the trials below " + journal_.folder().string());
    watcher_.step("skipping " + id(commit) + ": " + why);
    return record(SkipEvent{id(commit), 0, why});
  }

  Engine& engine_;
  Lab& lab_;
  Journal& journal_;
  const Watcher& watcher_;
  const HowToRun how_;
  const StopOnSignal signals_;
  std::optional<std::string> aside_;  // the commit whose kernel is made beside trials
  std::set<Index> tried_aside_;
  std::map<Index, MadeKernel> kernels_;
  double pass_seconds_ = 0;
  int passes_ = 0;
  Index unjudged_commit_ = 0;
  int unjudged_ = 0;
};

}  // namespace

Result<Step> run_session(Engine& engine, Lab& lab, Journal& journal, const Watcher& watcher,
                         const HowToRun& how) {
  return Session(engine, lab, journal, watcher, how).run();
}

}  // namespace ktrial::bisect
