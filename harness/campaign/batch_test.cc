// What is decided over many jobs, with a scripted engine in virtual time.
#include "harness/campaign/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "harness/engine/fake_engine.h"
#include "results/report/batch.h"

namespace ktrial::campaign {
namespace {
using engine::FakeEngine;
using engine::JobId;
using results::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<run::Job> cells(int count, int repeat = 1, bool until_fail = false) {
  std::vector<run::Job> out(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    out[static_cast<std::size_t>(i)].cell = "cpus=" + std::to_string(i + 1);
    out[static_cast<std::size_t>(i)].spec.repeat = repeat;
    out[static_cast<std::size_t>(i)].spec.until_fail = until_fail;
  }
  return out;
}

FakeEngine::Scripted passing(const run::Job&, JobId id) {
  return {.record = engine::fake_record("run" + std::to_string(id), Outcome::pass)};
}
FakeEngine::Scripted ending(engine::How how) { return {.how = std::move(how)}; }

std::vector<std::string> run_ids(const BatchOutcome& outcome) {
  std::vector<std::string> out;
  for (const auto& part : outcome.record.parts) out.push_back(part.run ? part.run->id : "-");
  return out;
}

TEST(BatchTest, AllCellsPassWhateverTheOrderInWhichTheyEnd) {
  FakeEngine engine([](const run::Job&, JobId id) {
    auto out = passing({}, id);
    out.seconds = 10.0 - static_cast<double>(id);
    return out;
  });
  const auto outcome = run_batch(engine, cells(4), {});
  EXPECT_FALSE(outcome.error);
  EXPECT_THAT(run_ids(outcome), ElementsAre("run1", "run2", "run3", "run4"));
  const auto whole = results::merged(outcome.record);
  EXPECT_EQ(whole.verdict.outcome, Outcome::pass);
  EXPECT_EQ(whole.state, results::RunState::finished);
  EXPECT_EQ(engine.most_at_once(), 4);
}

// A matrix whose third kernel is missing told nothing of the two that were finished.
TEST(BatchTest, AnErrorOfOneCellLosesNoOther) {
  FakeEngine engine([](const run::Job&, JobId id) {
    return id == 3 ? ending(engine::Finished{129, Error{ErrorKind::usage, "no such kernel", "x"}})
                   : passing({}, id);
  });
  const auto outcome = run_batch(engine, cells(4), {});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::usage);
  EXPECT_EQ(outcome.error->message, "no such kernel");
  EXPECT_THAT(run_ids(outcome), ElementsAre("run1", "run2", "-", "run4"));
  EXPECT_EQ(outcome.record.parts[2].problem, "no such kernel");
  const auto whole = results::merged(outcome.record);
  EXPECT_EQ(whole.verdict.outcome, Outcome::inconclusive)
      << "three passes do not vouch for the fourth";
  EXPECT_EQ(whole.state, results::RunState::interrupted);
}

TEST(BatchTest, TheMergedRecordWearsNobodysNameAndRepeatsNoNumber) {
  FakeEngine engine([](const run::Job& job, JobId id) {
    auto out = passing(job, id);
    out.record->directory = "/runs/run" + std::to_string(id);
    out.record->spec.kernel = "k" + std::to_string(id);
    out.record->spec.workload = "smoke";
    out.record->trials.push_back(out.record->trials[0]);
    out.record->trials[1].index = 1;
    return out;
  });
  const auto outcome = run_batch(engine, cells(2, 2), {});
  const auto document = results::batch_json(outcome.record);
  EXPECT_THAT(document, HasSubstr("\"id\": \"\""));
  EXPECT_THAT(document, HasSubstr("\"directory\": \"\""));
  const auto whole = results::merged(outcome.record);
  std::vector<int> numbers;
  for (const auto& trial : whole.trials) numbers.push_back(trial.index);
  EXPECT_THAT(numbers, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(whole.id, "");
  EXPECT_EQ(whole.spec.kernel, "");
}

TEST(BatchTest, ALostJobIsNamedAndWhatItCommittedCounts) {
  FakeEngine engine([](const run::Job&, JobId id) {
    FakeEngine::Scripted out = passing({}, id);
    if (id == 2) out.how = engine::Lost{"its process was killed by SIGKILL"};
    return out;
  });
  const auto outcome = run_batch(engine, cells(3), {});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::environment);
  EXPECT_THAT(outcome.error->message,
              HasSubstr("job 2 (cpus=2) was lost: its process was killed by SIGKILL"));
  EXPECT_EQ(results::merged(outcome.record).trials.size(), 3u);
  EXPECT_THAT(outcome.record.parts[1].problem, HasSubstr("was lost"));
}

TEST(BatchTest, AnInterruptionIsToldBeforeOtherErrorsWithWhatWasDone) {
  FakeEngine* interrupt = nullptr;
  FakeEngine engine(
      [](const run::Job&, JobId id) {
        auto out = passing({}, id);
        out.seconds = static_cast<double>(id);
        if (id == 1) out = ending(engine::Finished{128, Error{ErrorKind::environment, "no QEMU"}});
        if (id == 3) out.events = {{0.5, 0, run::Step{"now"}}};
        return out;
      },
      1, [&](JobId, const run::Event&) { interrupt->interrupt(); });
  interrupt = &engine;
  const auto outcome = run_batch(engine, cells(9), {.window = 4});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::interrupted);
  EXPECT_EQ(results::merged(outcome.record).trials.size(), 1u);
  EXPECT_LT(engine.submitted().size(), 9u) << "nothing more is begun";
}

TEST(BatchTest, SplitEachTrialIsAJobOfItsOwn) {
  FakeEngine engine(passing, 3);
  const auto outcome = run_batch(engine, cells(1, 30), {.split = true});
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(engine.submitted().size(), 30u);
  EXPECT_EQ(engine.most_at_once(), 3);
  for (const auto& [id, job] : engine.submitted()) EXPECT_EQ(job.spec.repeat, 1);
  const auto whole = results::merged(outcome.record);
  EXPECT_EQ(whole.trials.size(), 30u);
  EXPECT_EQ(whole.verdict.outcome, Outcome::pass);
  EXPECT_EQ(whole.verdict.reason, "all 30 trials passed");
}

TEST(BatchTest, SplitDeterministicTrialsHaveTheSeedsThatOneRunWouldGiveThem) {
  FakeEngine engine(passing, 3);
  auto cell = cells(1, 4);
  cell.front().spec.deterministic = true;
  cell.front().spec.seed = 7;
  const auto outcome = run_batch(engine, cell, {.split = true});
  EXPECT_FALSE(outcome.error);
  std::vector<int> seeds;
  for (const auto& [id, job] : engine.submitted()) seeds.push_back(job.spec.seed);
  EXPECT_THAT(seeds, ElementsAre(7, 8, 9, 10));
}

// With no end asked for, the engine never has more than the window.
TEST(BatchTest, UntilFailEndsWithTheFirstFailureAndCancelsTheRest) {
  std::size_t most_open = 0, open = 0;
  FakeEngine engine(
      [](const run::Job&, JobId id) {
        auto out = passing({}, id);
        if (id == 17) out.record = engine::fake_record("bad", Outcome::fail, "stall:f");
        return out;
      },
      4);
  const auto outcome = run_batch(
      engine, cells(1, 1, true),
      {.split = true,
       .window = 8,
       .on_begin = [&](JobId, const run::Job&) { most_open = std::max(most_open, ++open); },
       .on_done = [&](JobId, const results::BatchPart&) { --open; }});
  EXPECT_FALSE(outcome.error);
  EXPECT_LE(most_open, 8u);
  EXPECT_LT(engine.submitted().size(), 30u);
  const auto whole = results::merged(outcome.record);
  EXPECT_EQ(whole.verdict.outcome, Outcome::fail);
  EXPECT_EQ(whole.verdict.signature, "stall:f");
  EXPECT_EQ(whole.state, results::RunState::finished);
}

TEST(BatchTest, CellsGetOnTogether) {
  std::vector<std::string> order;
  FakeEngine engine(passing, 1);
  run_batch(engine, cells(2, 3), {.split = true, .on_begin = [&](JobId, const run::Job& job) {
                                    order.push_back(job.cell);
                                  }});
  EXPECT_THAT(order, ElementsAre("cpus=1", "cpus=2", "cpus=1", "cpus=2", "cpus=1", "cpus=2"));
}

// Whatever engines do to jobs: each record is there once, each loss is named once.
TEST(BatchTest, NothingIsLostOrDoubledWhateverHappens) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::set<std::string> committed;
    int troubled = 0;
    FakeEngine engine(
        [&](const run::Job&, JobId id) {
          auto out = passing({}, id);
          out.seconds = 1 + static_cast<double>(random() % 9);
          switch (random() % 4) {
            case 0:
              out.how = engine::Lost{"killed"};
              ++troubled;
              if (random() % 2 == 0) out.record.reset();
              break;
            case 1:
              out = ending(engine::Finished{128, Error{ErrorKind::environment, "no"}});
              ++troubled;
              break;
            default:
              break;
          }
          if (out.record) committed.insert(out.record->id);
          return out;
        },
        1 + static_cast<int>(seed % 5));
    const auto outcome = run_batch(engine, cells(3, 10), {.split = true});
    std::multiset<std::string> told;
    int problems = 0;
    for (const auto& part : outcome.record.parts) {
      if (part.run) told.insert(part.run->id);
      problems += !part.problem.empty();
    }
    EXPECT_TRUE(std::ranges::equal(told, committed)) << seed;
    EXPECT_EQ(problems, troubled) << seed;
    EXPECT_EQ(outcome.error.has_value(), troubled > 0) << seed;
    EXPECT_EQ(engine.submitted().size(), 30u);
  }
}

}  // namespace
}  // namespace ktrial::campaign
