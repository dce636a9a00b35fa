#include "results/store/store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <test_paths.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "harness/base/file.h"
#include "results/report/report.h"
#include "results/store/json.h"
#include "results/store/keep.h"
#include "results/store/test_dir.h"
#include "results/store/test_store.h"

namespace ktrial::results {
namespace {
namespace fs = std::filesystem;

TEST(StoreTest, ARunReadsBackAsItWasWritten) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(2), {"ktrial", "run", "--cpus", "4"});
  ASSERT_TRUE(run) << run.error().message;
  ASSERT_TRUE(run->add_trial(trial(0)));
  ASSERT_TRUE(run->add_trial(trial(1, Outcome::fail)));
  ASSERT_TRUE(run->finish());
  EXPECT_EQ(run->record().verdict.signature, "soft_lockup:foo");

  auto loaded = store.load("last");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(dump(to_json(*loaded)), dump(to_json(run->record())));
  EXPECT_EQ(loaded->state, RunState::finished);
  EXPECT_EQ(loaded->verdict.outcome, Outcome::fail);
  EXPECT_EQ(loaded->trials[1].artifacts, run->path() / "trials/001");
  EXPECT_EQ(loaded->trials[1].findings.at(0).cpu, 3);
  EXPECT_EQ(loaded->argv.back(), "4");
}

TEST(StoreTest, ADiscardedRunLeavesNothing) {
  TestDir dir;
  Store store = open(dir.path());
  auto kept = store.begin_run(spec(1), {});
  ASSERT_TRUE(kept && kept->finish());
  {
    auto run = store.begin_run(spec(1), {});
    ASSERT_TRUE(run);
    run->discard();
    EXPECT_FALSE(fs::exists(run->path()));
  }
  EXPECT_EQ(store.list()->size(), 1u);
  EXPECT_EQ(store.load("last")->id, kept->id());
}

TEST(StoreTest, FindsByIdPrefixFolderAndLast) {
  TestDir dir;
  Store store = open(dir.path());
  EXPECT_FALSE(store.find("last"));
  auto one = store.begin_run(spec(1), {});
  // Ids are ordered by the millisecond: let the next one begin.
  for (auto now = std::chrono::system_clock::now();
       to_text(now) == to_text(std::chrono::system_clock::now());) {
  }
  auto two = store.begin_run(spec(1), {});
  ASSERT_TRUE(one && two);
  EXPECT_EQ(store.find("last"), two->path());
  EXPECT_EQ(store.find(one->id()), one->path());
  EXPECT_EQ(store.find(one->id().substr(0, one->id().size() - 1)), one->path());
  EXPECT_EQ(store.find(one->path().string()), one->path());
  for (std::string bad : {one->id().substr(0, 4), std::string("nothing"), std::string(),
                          std::string("../"), std::string("/nonexistent")}) {
    auto found = store.find(bad);
    ASSERT_FALSE(found) << bad;
    EXPECT_EQ(found.error().kind, ErrorKind::usage);
  }
}

TEST(StoreTest, AMovedFolderIsStillReadable) {
  TestDir dir;
  std::string id;
  {
    Store store = open(dir.path() / "a");
    auto run = store.begin_run(spec(1), {});
    ASSERT_TRUE(run->add_trial(trial(0)));
    ASSERT_TRUE(run->finish());
    id = run->id();
  }
  fs::rename(dir.path() / "a", dir.path() / "b");
  auto run = open(dir.path() / "b").load(id);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->trials.at(0).artifacts, dir.path() / "b/runs" / id / "trials/000");
}

TEST(StoreTest, AnUnfinishedRunIsInterruptedWhenItsOwnerLetsGo) {
  TestDir dir;
  Store store = open(dir.path());
  {
    auto run = store.begin_run(spec(2), {});
    ASSERT_TRUE(run->add_trial(trial(0)));
    EXPECT_EQ(store.load("last")->state, RunState::running);
    EXPECT_EQ(store.list()->at(0).state, RunState::running);
  }
  EXPECT_EQ(store.load("last")->state, RunState::interrupted);
  EXPECT_EQ(store.load("last")->verdict.outcome, Outcome::inconclusive) << "one of two is no pass";
  EXPECT_EQ(store.list()->at(0).state, RunState::interrupted);
  EXPECT_EQ(store.list()->at(0).passed, 1);
}

// A trial that is missing from the count must not go unnoticed under a verdict that counted it.
TEST(StoreTest, ADamagedTrialIsTold) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(3), {"ktrial"});
  ASSERT_TRUE(run);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(run->add_trial(trial(i)));
  ASSERT_TRUE(run->begin_trial(2));  // never committed: no damage
  ASSERT_TRUE(run->finish());
  const fs::path file = run->path() / "trials/001/verdict.json";
  ASSERT_TRUE(write_file_atomically(file, "{\"outcome\": 3}"));
  const auto loaded = store.load("last");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->trials.size(), 1u);
  ASSERT_EQ(loaded->unreadable.size(), 1u);
  EXPECT_EQ(loaded->unreadable[0], file.string() + " is not a trial's record");
  EXPECT_NE(report_text(*loaded).find(file.string()), std::string::npos);
}

// What ktrial wrote before its records had a schema number.
TEST(StoreTest, AnOlderRecordIsReadOn) {
  const auto run = load_run(KTRIAL_SOURCE_DIR "/results/store/testdata/before-schema");
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(run->recorded_by, "");
  EXPECT_EQ(run->verdict.kind, Kind::soft_lockup);
  EXPECT_EQ(run->verdict.culprit, "mm_get_cid");
  ASSERT_EQ(run->trials.size(), 2u);
  EXPECT_TRUE(run->unreadable.empty());
  EXPECT_EQ(run->trials[0].kernel, KernelFacts());
  // A kind that is unknown here stays what it was, also when it is written again.
  const TrialRecord& strange = run->trials[1];
  EXPECT_EQ(strange.verdict.kind, Kind::foreign);
  EXPECT_EQ(strange.verdict.kind.name(), "stuck");
  EXPECT_EQ(to_json(strange)["kind"], "stuck");
}

TEST(StoreTest, FactsOfKernelHostAndCampaignReadBack) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(1), {}, {"nightly", "kernel=a,cpus=4"});
  ASSERT_TRUE(run);
  TrialRecord one = trial(0);
  one.kernel = {"6.1.0-1", std::string(40, 'a'), "x86_64", "gcc 12", "c0", "1a"};
  one.host = {"box", "Some CPU", 2, "6.12.0", "7.2.22"};
  ASSERT_TRUE(run->add_trial(one));
  ASSERT_TRUE(run->finish());
  const auto loaded = store.load("last");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->part_of, (Membership{"nightly", "kernel=a,cpus=4"}));
  EXPECT_EQ(loaded->trials[0].kernel, one.kernel);
  EXPECT_EQ(loaded->trials[0].host, one.host);
  EXPECT_EQ(loaded->recorded_by, ktrial_version());
  for (const char* file : {"run.json", "trials/000/verdict.json"}) {
    const auto json = parse_json(*read_file(run->path() / file));
    ASSERT_TRUE(json) << file;
    EXPECT_EQ((*json)["schema"], kSchema) << file;
    EXPECT_EQ((*json)["ktrial_version"], ktrial_version()) << file;
  }
}

TEST(StoreTest, ARunOfAHostThatIsGoneIsDeclaredDead) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(2), {});
  ASSERT_TRUE(run && run->add_trial(trial(0, Outcome::fail)));
  auto refused = store.declare_dead("last");
  ASSERT_FALSE(refused) << "its process is this one";
  EXPECT_EQ(refused.error().kind, ErrorKind::usage);

  const fs::path file = run->path() / "run.json";
  auto json = *parse_json(*read_file(file));
  json["owner"]["host"] = "elsewhere";
  ASSERT_TRUE(write_file_atomically(file, dump(json)));
  EXPECT_EQ(store.load("last")->state, RunState::running) << "nobody can know";
  const auto dead = store.declare_dead("last");
  ASSERT_TRUE(dead) << dead.error().message;
  EXPECT_EQ(dead->state, RunState::interrupted);
  const auto loaded = store.load("last");
  EXPECT_EQ(loaded->state, RunState::interrupted);
  EXPECT_EQ(loaded->verdict.outcome, Outcome::fail);
  EXPECT_EQ(loaded->verdict.kind, Kind::soft_lockup);
  EXPECT_EQ(store.list()->at(0).state, RunState::interrupted);
  EXPECT_EQ(store.declare_dead("last").error().kind, ErrorKind::usage) << "over is over";
}

TEST(StoreFaultTest, AFullDiskIsAClearErrorAndLeavesNothingHalf) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(2), {});
  ASSERT_TRUE(run);
  ASSERT_TRUE(run->add_trial(trial(0)));
  // A file size limit fails a write as a full disk does.
  struct rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = old;
  small.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto added = run->add_trial(trial(1));
  auto begun = store.begin_run(spec(1), {});
  ::setrlimit(RLIMIT_FSIZE, &old);
  ::signal(SIGXFSZ, old_handler);

  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().kind, ErrorKind::environment);
  EXPECT_NE(added.error().message.find("verdict.json"), std::string::npos) << added.error().message;
  EXPECT_FALSE(added.error().hint.empty());
  EXPECT_FALSE(begun);
  EXPECT_EQ(store.load("last")->trials.size(), 1u);
  EXPECT_TRUE(fs::is_empty(run->path() / "trials/001"));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path() / "runs"), {}), 1);
  // And the run goes on when there is room again.
  EXPECT_TRUE(run->add_trial(trial(1)));
  EXPECT_TRUE(run->finish());
  EXPECT_EQ(store.load("last")->verdict.outcome, Outcome::pass);
}

TEST(StoreFaultTest, AnUnusableFolderIsAnEnvironmentError) {
  TestDir dir;
  std::ofstream(dir.path() / "file") << "x";
  auto store = Store::open(dir.path() / "file");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, ErrorKind::environment);
  EXPECT_NE(store.error().message.find("file"), std::string::npos);
}

TEST(StoreFaultTest, AHostileRecordIsAnErrorNotACrash) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(1), {});
  ASSERT_TRUE(run->add_trial(trial(0)));
  ASSERT_TRUE(run->finish());
  const std::string good = *read_file(run->path() / "run.json");
  for (std::string text :
       {std::string("{"), std::string("[]"), std::string(), std::string("null"),
        std::string("{\"id\":5}"), good.substr(0, good.size() / 2), std::string(100000, '[')}) {
    std::ofstream(run->path() / "run.json") << text;
    auto loaded = store.load("last");
    ASSERT_FALSE(loaded) << text.substr(0, 40);
    EXPECT_NE(loaded.error().message.find("run.json"), std::string::npos);
  }
  std::ofstream(run->path() / "run.json")
      << R"({"id":"x","state":"finished","outcome":"pass","spec":{"cpus":"4","repeat":1e99},)"
      << R"("argv":{"a":1},"trials":7,"facts":[1,{"name":2}],"started_at":"soon"})";
  EXPECT_TRUE(store.load("last"));
}

TEST(TimeTest, ReadsBack) {
  for (std::int64_t ms :
       {std::int64_t{0}, std::int64_t{1767225600123}, std::int64_t{951782399999}}) {
    TimePoint time{std::chrono::milliseconds(ms)};
    EXPECT_EQ(time_from_text(to_text(time)), time) << to_text(time);
  }
  EXPECT_EQ(to_text(TimePoint(std::chrono::milliseconds(1767225600123))),
            "2026-01-01T00:00:00.123Z");
  for (const char* bad : {"", "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Zx"})
    EXPECT_FALSE(time_from_text(bad)) << bad;
}

// What other folders rely on: KTRIAL_TRY takes the store's errors, hint and all.
TEST(ErrorTest, PassesThroughKtrialTry) {
  TestDir dir;
  auto load = [&]() -> ktrial::Status {
    KTRIAL_TRY(open(dir.path()).load("last"));
    return {};
  };
  auto loaded = load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::usage);
  EXPECT_NE(loaded.error().message.find("no run"), std::string::npos) << loaded.error().message;
  EXPECT_NE(loaded.error().hint.find("--results"), std::string::npos) << loaded.error().hint;
}

TEST(StoreTest, RunsOfACampaignAreFound) {
  TestDir dir;
  Store store = open(dir.path());
  const auto begun = std::chrono::system_clock::now();
  for (const char* campaign : {"nightly-1", "nightly-2", "", "nightly-1"}) {
    auto run = store.begin_run(spec(1), {"ktrial"}, {campaign, "cpus=4"});
    ASSERT_TRUE(run);
    ASSERT_TRUE(run->add_trial(trial(0)));
    ASSERT_TRUE(run->finish());
  }
  EXPECT_EQ(store.of_campaign("nightly-1", begun).size(), 2u);
  EXPECT_EQ(store.of_campaign("nightly", begun).size(), 0u);
  EXPECT_TRUE(store.of_campaign("nightly-1", begun + std::chrono::hours(50)).empty());
}

TEST(KeepTest, ThinsARunAndLeavesItsRecords) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(1), {"ktrial"});
  ASSERT_TRUE(run && run->add_trial(trial(0, Outcome::fail)) && run->finish());
  const auto folder = run->path() / "trials/000";
  for (const char* name : {"console.log", "events.jsonl", "trace.dat"})
    std::ofstream(folder / name) << "x";
  std::ofstream(run->path() / "initramfs.cpio") << "x";
  const auto before = load_run(run->path());
  ASSERT_TRUE(thin(run->path(), Keep::evidence));
  EXPECT_TRUE(std::filesystem::exists(folder / "console.log"));
  EXPECT_FALSE(std::filesystem::exists(folder / "trace.dat"));
  EXPECT_FALSE(std::filesystem::exists(run->path() / "initramfs.cpio"));
  ASSERT_TRUE(thin(run->path(), Keep::records));
  EXPECT_FALSE(std::filesystem::exists(folder / "console.log"));
  const auto after = load_run(run->path());
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->trials.front().verdict, before->trials.front().verdict);
}

}  // namespace
}  // namespace ktrial::results
