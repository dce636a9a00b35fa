// Whole nights with a scripted engine, in virtual time, and a store on disk.
#include "harness/campaign/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <set>

#include "harness/base/file.h"
#include "harness/engine/fake_engine.h"

namespace ktrial::campaign {
namespace {

namespace fs = std::filesystem;
using engine::FakeEngine;
using engine::JobId;
using results::Outcome;
using results::Standing;
using testing::HasSubstr;

constexpr char kPlan[] = R"(
name = "nightly"
budget = "1h"
keep_per_signature = 2
[matrix]
kernel = ["6.18", "6.19"]
cpus = [1, 2]
[goal]
trials = 8
)";

class SessionTest : public testing::Test {
 protected:
  // What a job does here: a run in the store with one trial.
  results::RunRecord record(const run::Job& job, Outcome outcome, const std::string& signature = "",
                            double seconds = 10) {
    auto run = store_->begin_run({.kernel = job.spec.kernel, .cpus = job.spec.cpus}, job.argv,
                                 {job.campaign, job.cell});
    EXPECT_TRUE(run);
    results::TrialRecord trial;
    trial.verdict = {.outcome = outcome, .title = signature, .signature = signature};
    trial.duration_s = seconds;
    trial.started_at = std::chrono::system_clock::now();
    EXPECT_TRUE(run->add_trial(trial));
    std::ofstream(run->path() / "initramfs.cpio") << "x";
    std::ofstream(run->path() / "trials/000/console.log") << "x";
    EXPECT_TRUE(run->finish());
    return run->record();
  }
  FakeEngine::Scripted passing(const run::Job& job) {
    return {.seconds = 10, .record = record(job, Outcome::pass)};
  }

  Folder begin(const std::string& plan = kPlan) {
    plan_ = spec::parse_plan(plan, "nightly.toml").value();
    return Folder::create(dir_->path(), {.name = plan_.name,
                                         .plan_text = plan,
                                         .plan_file = "nightly.toml",
                                         .working_dir = "/"})
        .value();
  }
  SessionOutcome session(FakeEngine& engine, Folder& folder) {
    const auto jobs = jobs_of(plan_, folder.story(), {.results = dir_->path()});
    auto out = run_session(engine, folder, *store_, plan_, jobs,
                           {.room = {2, 1 << 20},
                            .clock = [&] { return engine.now(); },
                            .fits = fits_,
                            .say = [this](const std::string& text) { said_ += text + "\n"; }});
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or(SessionOutcome{});
  }
  static int trials(const results::CampaignRecord& record) {
    int sum = 0;
    for (const auto& cell : record.cells) sum += cell.trials();
    return sum;
  }

  Result<TempDir> dir_ = TempDir::create();
  Result<results::Store> store_ = results::Store::open(dir_->path());
  spec::Plan plan_;
  std::string said_;
  std::function<Status(const run::Job&)> fits_;
};

// As of mmcid-vfork with two CPUs: no trial is spent on finding that out.
TEST_F(SessionTest, CellsThatCannotRunAreToldBeforeTheFirstTrial) {
  fits_ = [](const run::Job& job) -> Status {
    if (job.spec.cpus < 2) return usage_error("it needs 2 CPUs");
    return {};
  };
  int jobs = 0;
  std::string said_first;
  FakeEngine engine([&](const run::Job& job, JobId) {
    if (jobs++ == 0) said_first = said_;
    EXPECT_EQ(job.spec.cpus, 2);
    return passing(job);
  });
  Folder folder = begin();
  const auto out = session(engine, folder);
  EXPECT_EQ(jobs, 16);
  EXPECT_THAT(said_first, HasSubstr("left out: kernel=6.18 cpus=1: it needs 2 CPUs"));
  EXPECT_EQ(out.record.lost.size(), 2u);
  // Gone on with, it is told once.
  const auto again = load_campaign(*store_, folder.directory());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->lost, out.record.lost);
}

// A trial that took longer last night than this night is does not begin.
TEST_F(SessionTest, HowLongTrialsTookIsRemembered) {
  int jobs = 0;
  FakeEngine engine([&](const run::Job& job, JobId) -> FakeEngine::Scripted {
    ++jobs;
    return {.seconds = 50, .record = record(job, Outcome::pass, "", 50)};
  });
  for (const int expected : {1, 0}) {
    jobs = 0;
    Folder folder = begin("name = 'nightly'\nbudget = '45s'\nduration = '5s'\nkernel = '6.18'\n");
    (void)session(engine, folder);
    EXPECT_EQ(jobs, expected);
  }
}

// It is made once: that the first trial took long says nothing of the next.
TEST_F(SessionTest, ATemplateIsNotExpectedAgain) {
  int jobs = 0;
  FakeEngine engine([&](const run::Job& job, JobId) -> FakeEngine::Scripted {
    auto made = record(job, Outcome::pass, "", 5);
    if (jobs++ == 0) made.trials[0].facts.emplace_back(results::kTemplateMade, "40.0");
    return {.seconds = jobs == 1 ? 45.0 : 5.0, .record = made};
  });
  Folder folder = begin("name = 'nightly'\nbudget = '60s'\nduration = '5s'\nkernel = '6.18'\n");
  (void)session(engine, folder);
  EXPECT_EQ(jobs, 4);
}

TEST_F(SessionTest, EveryCellReachesItsGoalAndTheRecordsAreTheTrials) {
  FakeEngine engine([&](const run::Job& job, JobId) { return passing(job); });
  Folder folder = begin();
  const auto out = session(engine, folder);
  EXPECT_FALSE(out.error);
  EXPECT_EQ(trials(out.record), 32);
  for (const auto& cell : out.record.cells) EXPECT_EQ(cell.standing, Standing::clean);
  EXPECT_EQ(store_->list()->size(), 32u);
  EXPECT_EQ(out.record.state, results::RunState::finished);
  EXPECT_EQ(engine.most_at_once(), 2);
  const auto again = load_campaign(*store_, folder.directory());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(trials(*again), 32);
  // Passes keep their records only.
  const fs::path run = fs::path(out.record.cells[0].strip[0].run);
  EXPECT_FALSE(fs::exists(dir_->path() / "runs" / run / "initramfs.cpio"));
  EXPECT_TRUE(fs::exists(dir_->path() / "runs" / run / "trials/000/verdict.json"));
}

// Jobs that are killed, with and without a record, and the parent killed and the night gone on
// with: nothing is lost and nothing counted twice.
TEST_F(SessionTest, NothingIsLostOrDoubledHoweverOftenItIsKilled) {
  std::mt19937 random(5);
  int committed = 0, killed = 0;
  fs::path directory;
  std::optional<SessionOutcome> last;
  for (int session_number = 0; session_number < 4; ++session_number) {
    int left = session_number == 3 ? 1 << 20 : 7;  // jobs until we are killed
    FakeEngine* self = nullptr;
    FakeEngine engine([&](const run::Job& job, JobId) -> FakeEngine::Scripted {
      if (--left == 0) self->interrupt();
      const unsigned dice = random() % 5;
      if (dice == 0) return {.seconds = 3, .how = engine::Lost{"killed by SIGKILL"}};
      ++committed;
      if (dice == 1) {  // after its record was committed, before it said so
        ++killed;
        (void)record(job, Outcome::pass);
        return {.seconds = 3, .how = engine::Lost{"killed by SIGKILL"}};
      }
      return passing(job);
    });
    self = &engine;
    if (directory.empty()) {
      Folder folder = begin();
      directory = folder.directory();
      last = session(engine, folder);
    } else {
      Folder folder = Folder::open(directory).value();
      last = session(engine, folder);
    }
    if (session_number < 3) {
      ASSERT_TRUE(last->error);
      EXPECT_EQ(last->error->kind, ErrorKind::interrupted);
    }
  }
  EXPECT_FALSE(last->error);
  EXPECT_GT(killed, 0);
  EXPECT_EQ(trials(last->record), committed);
  EXPECT_EQ(store_->list()->size(), static_cast<std::size_t>(committed));
  std::set<std::pair<std::string, int>> distinct;
  for (const auto& cell : last->record.cells) {
    EXPECT_GE(cell.trials(), 8);
    for (const auto& trial : cell.strip) distinct.insert({trial.run, trial.index});
  }
  EXPECT_EQ(std::ssize(distinct), committed);
  EXPECT_EQ(load_story(directory)->sessions, 4);
}

// The same seed again is the same trial again: ten of it are no ten trials.
TEST_F(SessionTest, DeterministicTrialsHaveSeedsOfTheirOwnOverAllSessions) {
  std::vector<int> seeds;
  std::vector<std::string> told;  // by the command that runs it again
  std::function<void()> begun;
  FakeEngine first([&](const run::Job& job, JobId) {
    begun();
    seeds.push_back(job.spec.seed);
    told.push_back(*std::next(std::ranges::find(job.argv, "--seed")));
    return passing(job);
  });
  begun = [&] {
    if (seeds.size() == 2) first.interrupt();
  };
  fs::path directory;
  {
    Folder folder = begin(
        "name = 'exact'\nbudget = '1h'\n[matrix]\ncpus = [4]\ndeterministic = [true]\n"
        "first_seed = [7]\n[goal]\ntrials = 6\n");
    directory = folder.directory();
    ASSERT_TRUE(session(first, folder).error);
  }
  begun = [] {};
  FakeEngine second([&](const run::Job& job, JobId) {
    seeds.push_back(job.spec.seed);
    return passing(job);
  });
  Folder folder = Folder::open(directory).value();
  EXPECT_FALSE(session(second, folder).error);
  EXPECT_GE(seeds.size(), 6u);
  for (std::size_t i = 0; i < seeds.size(); ++i) EXPECT_EQ(seeds[i], 7 + static_cast<int>(i));
  EXPECT_EQ(told.front(), "7");
  EXPECT_EQ(told.back(), std::to_string(6 + told.size()));
}

// An engine may take up a job of a session that was killed, whose trial was recorded meanwhile.
TEST_F(SessionTest, ARunThatCountsAlreadyIsNotCountedAgain) {
  Folder folder = begin();
  const auto jobs = jobs_of(plan_, folder.story(), {.results = dir_->path()});
  const auto before = record(jobs[0], Outcome::pass);
  bool handed_back = false;
  FakeEngine engine([&](const run::Job& job, JobId) -> FakeEngine::Scripted {
    if (job.cell != jobs[0].cell || std::exchange(handed_back, true)) return passing(job);
    return {.seconds = 10, .record = before};
  });
  const auto out = session(engine, folder);
  EXPECT_TRUE(handed_back);
  for (const auto& cell : out.record.cells) EXPECT_EQ(cell.trials(), 8);
}

TEST_F(SessionTest, TheNextNightSaysWhatIsNewAndWhatIsGone) {
  std::string failing = "6.19";
  const auto script = [&](const run::Job& job, JobId) -> FakeEngine::Scripted {
    if (job.spec.kernel != failing) return passing(job);
    return {.seconds = 30, .record = record(job, Outcome::fail, "stall:" + failing)};
  };
  FakeEngine first(script);
  Folder one = begin(std::string(kPlan) + "[[known]]\nsignature = 'stall:6.18'\n");
  const auto before = session(first, one);
  EXPECT_EQ(before.record.signatures.at(0).standing, Standing::fresh);
  EXPECT_EQ(before.record.signatures.at(0).common.substr(0, 16), "only kernel=6.19");
  EXPECT_THAT(said_, HasSubstr("new failure: stall:6.19"));
  failing = "6.18";
  FakeEngine second(script);
  Folder two = begin(std::string(kPlan) + "[[known]]\nsignature = 'stall:6.18'\n");
  const auto after = session(second, two);
  EXPECT_EQ(after.record.cells[0].standing, Standing::known);
  EXPECT_EQ(after.record.cells[2].standing, Standing::gone);
  EXPECT_EQ(after.record.nights.size(), 2u);
  // The cells that failed last night begin early.
  EXPECT_EQ(second.submitted().at(1).spec.kernel, "6.19");
}

TEST_F(SessionTest, OfFailuresTheFirstAndTheLatestStayWhole) {
  FakeEngine engine([&](const run::Job& job, JobId) -> FakeEngine::Scripted {
    return {.seconds = 10, .record = record(job, Outcome::fail, "stall:f")};
  });
  Folder folder = begin();
  (void)session(engine, folder);
  int whole = 0, consoles = 0;
  for (const auto& entry : fs::directory_iterator(dir_->path() / "runs")) {
    whole += fs::exists(entry.path() / "initramfs.cpio");
    consoles += fs::exists(entry.path() / "trials/000/console.log");
  }
  EXPECT_EQ(whole, 3);  // two and the latest
  EXPECT_EQ(consoles, 32);
}

TEST_F(SessionTest, AKernelThatIsMissingEndsItsCellsAndAFullDiskTheNight) {
  FakeEngine engine([&](const run::Job& job, JobId) -> FakeEngine::Scripted {
    if (job.spec.kernel == "6.19")
      return {.how = engine::Finished{129, Error{ErrorKind::usage, "no such kernel"}}};
    return passing(job);
  });
  Folder folder = begin();
  const auto out = session(engine, folder);
  EXPECT_FALSE(out.error);
  EXPECT_EQ(trials(out.record), 16);
  EXPECT_EQ(out.record.cells[2].standing, Standing::unknown);
  EXPECT_EQ(out.record.lost.size(), 2u);
  EXPECT_THAT(out.record.lost[0], HasSubstr("no such kernel"));
  FakeEngine full([&](const run::Job&, JobId) -> FakeEngine::Scripted {
    return {.how = engine::Finished{128, Error{ErrorKind::environment, "no space left"}}};
  });
  Folder other = begin();
  const auto stopped = session(full, other);
  ASSERT_TRUE(stopped.error);
  EXPECT_EQ(stopped.error->message, "no space left");
  EXPECT_LT(full.submitted().size(), 10u);
}

TEST_F(SessionTest, TheBudgetCountsOverAllSessions) {
  const std::string plan = "name = 'nightly'\nbudget = '200s'\n[matrix]\ncpus = [2]\n";
  FakeEngine* self = nullptr;
  FakeEngine first([&](const run::Job& job, JobId id) {
    if (id == 8) self->interrupt();
    return passing(job);
  });
  self = &first;
  fs::path directory;
  {
    Folder folder = begin(plan);
    directory = folder.directory();
    (void)session(first, folder);
  }
  FakeEngine second([&](const run::Job& job, JobId) { return passing(job); });
  Folder folder = Folder::open(directory).value();
  const auto out = session(second, folder);
  EXPECT_FALSE(out.error);
  EXPECT_LE(out.record.budget.used_s, 200);
  EXPECT_GE(out.record.budget.used_s, 180);
}

TEST_F(SessionTest, ProgramsOfThePlanAreCalled) {
  const auto script = (dir_->path() / "tell.sh").string(),
             heard = (dir_->path() / "heard").string();
  std::ofstream(script) << "echo \"$1 $KTRIAL_SIGNATURE $KTRIAL_NEW\" >>" << heard << "\n";
  FakeEngine engine([&](const run::Job& job, JobId) -> FakeEngine::Scripted {
    return {.seconds = 10, .record = record(job, Outcome::fail, "stall:f")};
  });
  Folder folder = begin("on_new_failure = ['sh', '" + script + "', 'new']\nat_end = ['sh', '" +
                        script + "', 'end']" + kPlan);
  (void)session(engine, folder);
  EXPECT_EQ(read_file(heard).value(), "new stall:f \nend  1\n");
}

TEST(RerunTest, IsTheCommandThatRunsTheTrialAgain) {
  const auto plan =
      spec::parse_plan(
          "name='n'\nbudget='1h'\nduration='5s'\n[matrix]\ncpus=[2]\n"
          "append=['a b']\none_thread=[true]\nperturb=['hold']\n[matrix.set]\nthreads=[3]\n",
          "n.toml")
          .value();
  EXPECT_THAT(
      rerun(plan.cells[0], plan.build),
      testing::ElementsAre("ktrial", "run", "--kernel", plan.cells[0].spec.kernel, "--workload",
                           "mmcid-vfork", "--set", "threads=3", "--cpus", "2", "--duration", "5s",
                           "--append", "a b", "--one-thread", "--perturb", "hold"));
}

}  // namespace
}  // namespace ktrial::campaign
