#include "harness/bisect/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "harness/base/file.h"
#include "harness/bisect/picture.h"
#include "results/schema_check.h"

namespace ktrial::bisect {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kCommits = 32;

// Commits "0" to "31"; those from `culprit` on fail in `rate` of the runs.
class FakeLab final : public Lab {
 public:
  Result<Made> make(const std::string& commit) override {
    ++makes[commit];
    if (broken.contains(commit)) return Unbuildable{"it does not compile", "/build.log"};
    return MadeKernel{commit};
  }
  // Ready when the batch that runs meanwhile is: what is made aside comes in time.
  void begin_aside(const std::string& commit) override {
    EXPECT_FALSE(aside) << "one at a time";
    aside = commit;
    ++asides;
  }
  std::optional<Result<Made>> take_aside(bool wait) override {
    if (aside_hangs && !wait) return std::nullopt;
    const std::string commit = *std::exchange(aside, std::nullopt);
    if (aside_hangs) return fail(ErrorKind::interrupted, "interrupted");
    if (aside_is_lost) return fail(ErrorKind::environment, "lost");
    if (broken.contains(commit)) return Unbuildable{"it does not compile", "/build.log"};
    return MadeKernel{commit};
  }
  void stop_aside() override { aside.reset(); }
  Result<std::vector<results::TrialRecord>> run(const MadeKernel& kernel, int trials) override {
    if (runs == interrupt_at) return fail(ErrorKind::interrupted, "interrupted");
    most_at_once = std::max(most_at_once, trials);
    std::vector<results::TrialRecord> records;
    for (int i = 0; i < trials; ++i) records.push_back(one(kernel));
    return records;
  }
  results::TrialRecord one(const MadeKernel& kernel) {
    ++runs;
    const int commit = kernel.reference == "old" ? -1 : std::stoi(kernel.reference);
    results::TrialRecord trial{.verdict = {.outcome = results::Outcome::pass}, .duration_s = 10};
    if (starved.contains(kernel.reference)) {
      trial.verdict.outcome = results::Outcome::inconclusive;
    } else if (std::uniform_real_distribution()(random) < noise) {
      trial.verdict = {
          .outcome = results::Outcome::fail, .title = "WARNING in x", .signature = "warn:x"};
    } else if ((commit >= culprit) == (direction == Direction::bug) &&
               std::uniform_real_distribution()(random) < rate) {
      trial.verdict = {
          .outcome = results::Outcome::fail, .title = "stall in f", .signature = "stall:f"};
    }
    return trial;
  }

  int culprit = 20, runs = 0, interrupt_at = -1, most_at_once = 0;
  int asides = 0;
  std::optional<std::string> aside;
  bool aside_hangs = false, aside_is_lost = false;
  HowToRun how;
  Direction direction = Direction::bug;
  double rate = .5, noise = 0;
  std::set<std::string> broken, starved;
  std::map<std::string, int> makes;
  std::mt19937 random{1};
};

class SessionTest : public ::testing::Test {
 protected:
  static CommitGraph make_graph() {
    std::vector<CommitInfo> commits;
    for (int i = 0; i < kCommits; ++i)
      commits.push_back({.id = std::to_string(i), .subject = "change " + std::to_string(i)});
    return *CommitGraph::linear(std::move(commits), "old");
  }
  Engine make_engine() {
    Settings settings{.direction = lab.direction};
    settings.failing_end_fails = 2;
    settings.clean_end_runs = 3;
    return *Engine::create(graph, settings);
  }
  fs::path folder() const { return dir->path() / "session"; }
  Result<Step> begin(Engine& engine) {
    auto journal = Journal::create(folder(), {"ktrial", "bisect"}, engine, {});
    if (!journal) return std::unexpected(journal.error());
    auto step = run_session(engine, lab, *journal, {}, lab.how);
    wanted = journal->wanted();
    return step;
  }
  Result<Step> resume(Engine& engine) {
    auto journal = Journal::open(folder(), engine);
    if (!journal) return std::unexpected(journal.error());
    auto step = run_session(engine, lab, *journal, {}, lab.how);
    wanted = journal->wanted();
    return step;
  }
  static std::string culprit(const Result<Step>& step, const Engine& engine) {
    const auto* found = step ? std::get_if<Found>(&*step) : nullptr;
    return found != nullptr ? engine.graph().id(found->commit) : "none";
  }
  const CommitGraph graph = make_graph();
  FakeLab lab;
  Wanted wanted;
  Result<TempDir> dir = TempDir::create();
};

TEST_F(SessionTest, AFlakyBugIsFound) {
  Engine engine = make_engine();
  EXPECT_EQ(culprit(begin(engine), engine), "20");
  EXPECT_EQ(wanted.signature, "stall:f");
  for (const auto& [commit, times] : lab.makes) EXPECT_EQ(times, 1) << commit;
}

TEST_F(SessionTest, TheFixIsFoundToo) {
  lab.direction = Direction::fix;
  Engine engine = make_engine();
  EXPECT_EQ(culprit(begin(engine), engine), "20");
}

TEST_F(SessionTest, OtherFailuresAreNoEvidence) {
  lab.noise = .3;
  lab.random.seed(3);  // the first failure is the one that is sought
  Engine engine = make_engine();
  auto journal = Journal::create(folder(), {"ktrial"}, engine, {"stall:f", "stall in f"});
  ASSERT_TRUE(journal) << journal.error().message;
  EXPECT_EQ(culprit(run_session(engine, lab, *journal, {}), engine), "20");
}

TEST_F(SessionTest, TrialsAtATimeAreCountedEach) {
  lab.how.at_once = 4;
  Engine engine = make_engine();
  EXPECT_EQ(culprit(begin(engine), engine), "20");
  EXPECT_EQ(lab.most_at_once, 4);
  EXPECT_EQ(engine.spent().runs, lab.runs);
}

// Each kernel is made once, by one or the other; what does not compile is skipped.
TEST_F(SessionTest, WhatMayBeNextIsMadeMeanwhile) {
  lab.how.speculate = true;
  lab.broken = {"15", "16"};
  Engine engine = make_engine();
  EXPECT_EQ(culprit(begin(engine), engine), "20");
  EXPECT_GT(lab.asides, 0);
  for (const auto& [commit, times] : lab.makes) EXPECT_EQ(times, 1) << commit;
}

TEST_F(SessionTest, WhatIsMadeInVainIsStopped) {
  lab.how.speculate = true;
  lab.aside_hangs = true;
  lab.interrupt_at = 10;
  Engine engine = make_engine();
  const auto step = begin(engine);
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().kind, ErrorKind::interrupted);
  EXPECT_GT(lab.asides, 0);
  EXPECT_FALSE(lab.aside) << "nothing is left running";
}

TEST_F(SessionTest, AKernelThatWasLostOnTheWayIsMadeOnceMore) {
  lab.how.speculate = true;
  lab.aside_is_lost = true;
  Engine engine = make_engine();
  EXPECT_EQ(culprit(begin(engine), engine), "20");
  EXPECT_GT(lab.asides, 0);
}

// Killed after each number of runs, it goes on and comes to the same end as without.
TEST_F(SessionTest, GoesOnWhereItWasInterrupted) {
  for (lab.interrupt_at = 1; lab.interrupt_at < 60; ++lab.interrupt_at) {
    Engine engine = make_engine();
    const bool first = !fs::exists(folder() / "session.json");
    const auto step = first ? begin(engine) : resume(engine);
    if (!step) {
      ASSERT_EQ(step.error().kind, ErrorKind::interrupted) << step.error().message;
      EXPECT_EQ(engine.spent().runs, lab.runs) << "nothing is lost";
      continue;
    }
    EXPECT_EQ(culprit(step, engine), "20");
    EXPECT_GT(lab.interrupt_at, 5);
    return;
  }
  FAIL() << "it never came to an end";
}

TEST_F(SessionTest, AHalfWrittenLineIsForgotten) {
  lab.interrupt_at = 4;
  {
    Engine engine = make_engine();
    EXPECT_FALSE(begin(engine));
  }
  const auto text = *read_file(folder() / "bisect.log");
  ASSERT_TRUE(write_file_atomically(folder() / "bisect.log", text + "run 15 fa"));
  lab.interrupt_at = -1;
  Engine engine = make_engine();
  EXPECT_EQ(culprit(resume(engine), engine), "20");
  EXPECT_EQ(read_file(folder() / "bisect.log")->find("fa\n"), std::string::npos);
}

TEST_F(SessionTest, WhatCannotBeTestedIsSkipped) {
  lab.broken = {"15", "16"};
  lab.starved = {"14"};
  lab.rate = 1;
  Engine engine = make_engine();
  EXPECT_EQ(culprit(begin(engine), engine), "20");
}

TEST_F(SessionTest, SkippedNeighboursOfTheCulpritAreNamedWithIt) {
  lab.broken = {"19", "20"};
  Engine engine = make_engine();
  const auto step = begin(engine);
  ASSERT_TRUE(step) << step.error().message;
  const auto* open = std::get_if<Undecided>(&*step);
  ASSERT_NE(open, nullptr);
  EXPECT_THAT(open->commits, ::testing::ElementsAre(19, 20, 21));
  const std::string text = report_text(engine, *step, wanted, {.kernel_kind = "commit"});
  EXPECT_THAT(text, HasSubstr("20 change 20 (skipped)"));
}

TEST_F(SessionTest, AnEndThatCannotBeTestedIsAnError) {
  lab.broken = {"31"};
  Engine engine = make_engine();
  const auto step = begin(engine);
  ASSERT_FALSE(step);
  EXPECT_THAT(step.error().message, HasSubstr("31 cannot be tested: it does not compile"));
  EXPECT_THAT(step.error().hint, HasSubstr("/build.log"));
}

TEST_F(SessionTest, EndsThatDoNotDifferAreSaid) {
  lab.rate = 0;
  Engine engine = make_engine();
  auto step = begin(engine);
  ASSERT_TRUE(step) << step.error().message;
  ASSERT_TRUE(std::holds_alternative<EndsAgree>(*step));
  EXPECT_THAT(report_text(engine, *step, wanted, {}), HasSubstr("31 did not fail in"));
  fs::remove_all(folder());
  lab.rate = 1;
  lab.culprit = -1;
  Engine other = make_engine();
  step = begin(other);
  ASSERT_TRUE(step) << step.error().message;
  EXPECT_TRUE(std::holds_alternative<EndsAgree>(*step));
}

TEST_F(SessionTest, AFolderOfAnotherSearchIsRefused) {
  lab.interrupt_at = 2;
  Engine engine = make_engine();
  EXPECT_FALSE(begin(engine));
  const auto twice = Journal::create(folder(), {"ktrial"}, engine, {});
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().hint, HasSubstr("--resume"));
  lab.direction = Direction::fix;
  Engine other = make_engine();
  EXPECT_FALSE(Journal::open(folder(), other));
  const auto log = *read_file(folder() / "bisect.log");
  ASSERT_TRUE(write_file_atomically(folder() / "bisect.log", log + "run 1 maybe 3\n"));
  const auto broken = Journal::open(folder(), engine);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().kind, ErrorKind::usage);
  EXPECT_THAT(broken.error().message, HasSubstr("bisect.log:"));
  EXPECT_FALSE(Journal::command_line(dir->path()));
}

TEST_F(SessionTest, TheMailHasAllThatAMaintainerAsksFor) {
  Engine engine = make_engine();
  const auto step = begin(engine);
  ASSERT_TRUE(step) << step.error().message;
  const Story story{
      .kernel_kind = "commit", .workload = "w", .command = "ktrial bisect", .links = {}};
  const std::string mail = mail_text(engine, *step, wanted, story);
  for (const char* part : {"Subject: [REGRESSION] stall in f", "20 change 20", "on parent",
                           "ktrial bisect", "#regzbot introduced: 20"})
    EXPECT_THAT(mail, HasSubstr(part));
  const std::string document = report_json(engine, *step, wanted, story);
  EXPECT_THAT(document, HasSubstr("\"outcome\": \"found\""));
  results::expect_schema(document, "bisect");
  EXPECT_THAT(status_line(engine), HasSubstr("most likely 20"));
  EXPECT_THAT(picture(engine, *step, 60), HasSubstr("####"));
}

}  // namespace
}  // namespace ktrial::bisect
