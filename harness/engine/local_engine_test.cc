// The local engine with real processes; shell scripts stand for `ktrial job`.
#include "harness/engine/local_engine.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "harness/base/file.h"
#include "results/store/store.h"

namespace ktrial::engine {
namespace {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr auto kPatience = std::chrono::milliseconds(20'000);  // nobody waits so long

// Of the script: `$2` is the job's file.
constexpr char kSay[] = R"(
say() { echo "{\"t\":1,\"event\":$1}"; }
begun() { say "\"begun\",\"schema\":1,\"run\":\"$RUN\",\"directory\":\"$DIRECTORY\""; }
)";

class LocalEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(dir_);
    auto store = results::Store::open(dir_->path() / "results");
    ASSERT_TRUE(store);
    auto run = store->begin_run({.kernel = "k", .cpus = 1}, {"ktrial"});
    ASSERT_TRUE(run);
    results::TrialRecord trial;
    trial.verdict.outcome = results::Outcome::pass;
    ASSERT_TRUE(run->add_trial(trial));
    ASSERT_TRUE(run->finish());
    run_ = run->id();
    ::setenv("RUN", run_.c_str(), 1);
    ::setenv("DIRECTORY", run->path().c_str(), 1);
    ::setenv("FOLDER", dir_->path().c_str(), 1);
  }

  // What the script does instead of a job.
  std::unique_ptr<Engine> engine(const std::string& script, int at_a_time = 8,
                                 std::chrono::milliseconds patience = kPatience) {
    const fs::path program = dir_->path() / "job.sh";
    std::ofstream(program) << "#!/bin/sh\n" << kSay << script << "\n";
    ::chmod(program.c_str(), 0700);
    auto made = local_engine(
        {.program = program, .at_a_time = at_a_time, .patience = patience, .on_tick = on_tick_},
        [this](JobId job, const run::Event& event) {
          heard_.emplace_back(job, event);
          if (on_event_) on_event_(job, event);
        });
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }
  static run::Job job() {
    run::Job job;
    job.results = "/results";
    job.spec.memory_mib = 64;
    return job;
  }
  template <class T>
  static T how(const std::optional<Done>& done) {
    EXPECT_TRUE(done);
    const T* how = done ? std::get_if<T>(&done->how) : nullptr;
    if (how == nullptr && done) {
      if (const auto* lost = std::get_if<Lost>(&done->how)) ADD_FAILURE() << lost->reason;
      if (const auto* finished = std::get_if<Finished>(&done->how))
        ADD_FAILURE() << "exit " << finished->exit
                      << (finished->error ? finished->error->message : "");
    }
    EXPECT_NE(how, nullptr);
    return how != nullptr ? *how : T{};
  }
  // A zombie is gone, too: its reaper may be slow.
  static bool gone(pid_t pid) {
    const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat").value_or("");
    const auto end = stat.rfind(')');
    return end == stat.npos || stat[end + 2] == 'Z' || stat[end + 2] == 'X';
  }
  static bool eventually_gone(pid_t pid) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!gone(pid) && std::chrono::steady_clock::now() < deadline) ::usleep(1000);
    return gone(pid);
  }

  // How many scripts left a file pid.PID; all of those processes must end.
  int gone_jobs() const {
    int jobs = 0;
    for (const auto& entry : fs::directory_iterator(dir_->path())) {
      const std::string name = entry.path().filename();
      if (!name.starts_with("pid.")) continue;
      ++jobs;
      EXPECT_TRUE(eventually_gone(std::atoi(name.c_str() + 4))) << name;
    }
    return jobs;
  }

  Result<TempDir> dir_ = TempDir::create();
  std::function<void()> on_tick_;
  std::string run_;
  std::vector<std::pair<JobId, run::Event>> heard_;
  std::function<void(JobId, const run::Event&)> on_event_;
};

// A job that says nothing: who shows how far it is is still called.
TEST_F(LocalEngineTest, TicksWhileNothingHappens) {
  on_tick_ = [&] { std::ofstream(dir_->path() / "tick") << "1"; };
  const auto local = engine(
      R"(begun; while [ ! -e "$FOLDER/tick" ]; do sleep 0.05; done; say '"ended","exit":0')");
  local->submit(job());
  const auto done = local->next();
  EXPECT_EQ(how<Finished>(done).exit, 0);
  EXPECT_TRUE(fs::exists(dir_->path() / "tick"));
  EXPECT_FALSE(local->next()) << "a timer alone is no work";
}

TEST_F(LocalEngineTest, AJobThatEndsWellBringsItsRecordAndItsEvents) {
  const auto e = engine(R"(begun; say '"step","text":"hello"'; say '"ended","exit":0')");
  const JobId id = e->submit(job());
  const auto done = e->next();
  EXPECT_EQ(done->job, id);
  EXPECT_EQ(how<Finished>(done).exit, 0);
  ASSERT_TRUE(done->record);
  EXPECT_EQ(done->record->id, run_);
  EXPECT_EQ(done->record->trials.size(), 1u);
  ASSERT_EQ(heard_.size(), 3u);
  EXPECT_EQ(heard_[1].first, id);
  EXPECT_EQ(std::get<run::Step>(heard_[1].second.what).text, "hello");
  EXPECT_FALSE(e->next());
}

TEST_F(LocalEngineTest, TheJobReachesItsProcessWhole) {
  const auto e =
      engine(R"([ "$1" = job ] && cp "$2" "$FOLDER/seen"; begun; say '"ended","exit":0')");
  run::Job sent = job();
  sent.argv = {"ktrial", "\xff"};
  sent.spec.append = "quiet";
  e->submit(sent);
  how<Finished>(e->next());
  auto seen = run::load_job(dir_->path() / "seen");
  ASSERT_TRUE(seen) << seen.error().message;
  seen->beside_vcpus = 0;  // the engine's to say
  EXPECT_TRUE(*seen == sent);
}

TEST_F(LocalEngineTest, AnErrorOfTheJobIsToldAsItIs) {
  const auto e = engine(
      R"(say '"ended","exit":129,"error":{"kind":"usage","message":"no kernel","hint":"name one"}'; exit 129)");
  e->submit(job());
  const auto done = e->next();
  const auto finished = how<Finished>(done);
  EXPECT_EQ(finished.exit, 129);
  ASSERT_TRUE(finished.error);
  EXPECT_EQ(finished.error->message, "no kernel");
  EXPECT_FALSE(done->record);
}

TEST_F(LocalEngineTest, WhoIsKilledIsLostAloneAndWithItsTrials) {
  const auto e = engine(R"(begun; [ -e "$FOLDER/first" ] && { say '"ended","exit":0'; exit; }
: >"$FOLDER/first"; kill -9 $$)",
                        1);
  e->submit(job());
  e->submit(job());
  const auto lost = e->next();
  EXPECT_EQ(lost->job, 1u);
  EXPECT_THAT(how<Lost>(lost).reason, HasSubstr("was killed by SIGKILL"));
  ASSERT_TRUE(lost->record) << "what was committed is kept";
  EXPECT_EQ(lost->record->trials.size(), 1u);
  EXPECT_EQ(how<Finished>(e->next()).exit, 0);
}

// Its last word was said: what comes then is no loss.
TEST_F(LocalEngineTest, WhoIsKilledAfterItsLastWordIsFinished) {
  const auto e = engine(R"(begun; say '"ended","exit":0'; kill -9 $$)");
  e->submit(job());
  EXPECT_EQ(how<Finished>(e->next()).exit, 0);
}

TEST_F(LocalEngineTest, LastWordsOnStderrSayWhy) {
  const auto e = engine("echo 'first line' >&2; echo 'assertion failed' >&2; exit 134");
  e->submit(job());
  EXPECT_EQ(how<Lost>(e->next()).reason, "its process exited with status 134: assertion failed");
}

TEST_F(LocalEngineTest, NonsenseEndsTheJobAndIsQuoted) {
  for (const char* nonsense :
       {"echo garbage", "say '\"dance\"'", "head -c 1000000 /dev/zero | tr '\\0' x"}) {
    const auto e = engine(std::string("begun; ") + nonsense + "; exec sleep 600");
    e->submit(job());
    EXPECT_THAT(how<Lost>(e->next()).reason, HasSubstr("it spoke nonsense: line 2: ")) << nonsense;
  }
}

TEST_F(LocalEngineTest, ARecordThatIsNotThereIsALoss) {
  const auto e = engine(
      R"(say '"begun","schema":1,"run":"other","directory":"'$DIRECTORY'"'; say '"ended","exit":0')");
  e->submit(job());
  EXPECT_THAT(how<Lost>(e->next()).reason, HasSubstr("run other cannot be read"));
}

TEST_F(LocalEngineTest, AProgramThatIsNotThereIsAnError) {
  auto made = local_engine({.program = "/nonexistent", .patience = kPatience}, nullptr);
  ASSERT_TRUE(made);
  (*made)->submit(job());
  const auto finished = how<Finished>((*made)->next());
  ASSERT_TRUE(finished.error);
  EXPECT_THAT(finished.error->message, HasSubstr("/nonexistent"));
}

TEST_F(LocalEngineTest, CancelIsASignalFirst) {
  const auto e = engine(
      R"(trap 'say "\"ended\",\"exit\":130"; exit 130' TERM; begun; while :; do sleep 0.01; done)");
  on_event_ = [&](JobId id, const run::Event&) { e->cancel(id); };
  e->submit(job());
  const auto done = e->next();
  how<Cancelled>(done);
  EXPECT_TRUE(done->record);
  EXPECT_TRUE(std::holds_alternative<run::Ended>(heard_.back().second.what)) << "it was not killed";
}

TEST_F(LocalEngineTest, WhoDoesNotHeedItIsKilled) {
  const auto e = engine("trap '' TERM; begun; while :; do sleep 0.01; done", 8, 10ms);
  on_event_ = [&](JobId id, const run::Event&) { e->cancel(id); };
  e->submit(job());
  how<Cancelled>(e->next());
}

TEST_F(LocalEngineTest, WhatWaitsIsCancelledWithoutBeginning) {
  const auto e = engine(R"(begun; say '"ended","exit":0')", 1);
  e->submit(job());
  const JobId second = e->submit(job());
  e->cancel(second);
  std::vector<JobId> finished, cancelled;
  while (auto done = e->next())
    (std::holds_alternative<Cancelled>(done->how) ? cancelled : finished).push_back(done->job);
  EXPECT_THAT(finished, UnorderedElementsAre(1));
  EXPECT_THAT(cancelled, UnorderedElementsAre(2));
}

TEST_F(LocalEngineTest, ASignalToUsEndsAllAndWhatComesLater) {
  const auto e = engine(
      R"(trap 'say "\"ended\",\"exit\":130"; exit 130' TERM; begun; while :; do sleep 0.01; done)",
      2);
  int begun = 0;
  on_event_ = [&](JobId, const run::Event& event) {
    begun += std::holds_alternative<run::Begun>(event.what);
    if (begun == 2) ::kill(::getpid(), SIGINT);
  };
  for (int i = 0; i < 4; ++i) e->submit(job());
  int done = 0;
  while (const auto one = e->next()) {
    how<Cancelled>(one);
    ++done;
  }
  EXPECT_EQ(done, 4);
  EXPECT_EQ(begun, 2);
  e->submit(job());
  how<Cancelled>(e->next());
}

TEST_F(LocalEngineTest, TheEngineGoneItsJobsAreGone) {
  auto e = engine(R"(echo $$ >"$FOLDER/pid.$$"; begun; exec sleep 600)");
  int begun = 0;
  on_event_ = [&](JobId, const run::Event&) {
    if (++begun == 2) e->cancel(1);
  };
  e->submit(job());
  e->submit(job());
  how<Cancelled>(e->next());
  e.reset();
  EXPECT_EQ(gone_jobs(), 2);
}

// The parent is killed: nothing of ours runs then, the kernel does it.
TEST_F(LocalEngineTest, AParentThatIsKilledTakesItsJobsWithIt) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, 0), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto e = engine(R"(echo $$ >"$FOLDER/pid.$$"; begun; exec sleep 600)", 3);
    int begun = 0;
    on_event_ = [&](JobId, const run::Event&) {
      if (++begun == 3) (void)!::write(ends[1], "x", 1);
    };
    for (int i = 0; i < 3; ++i) e->submit(job());
    (void)e->next();
    ::_exit(1);
  }
  char byte;
  ASSERT_EQ(::read(ends[0], &byte, 1), 1);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_EQ(gone_jobs(), 3);
  ::close(ends[0]);
  ::close(ends[1]);
}

// Many that die at random: each is told once.
TEST_F(LocalEngineTest, ManyThatDieAtRandomAreEachToldOnce) {
  const auto e = engine(R"(begun; [ $(($$ % 3)) = 0 ] && kill -9 $$; say '"ended","exit":0')", 4);
  constexpr int kJobs = 60;
  for (int i = 0; i < kJobs; ++i) e->submit(job());
  std::set<JobId> told;
  while (const auto done = e->next()) {
    EXPECT_TRUE(told.insert(done->job).second);
    EXPECT_TRUE(done->record);
    EXPECT_FALSE(std::holds_alternative<Cancelled>(done->how));
  }
  EXPECT_EQ(told.size(), static_cast<std::size_t>(kJobs));
}

}  // namespace
}  // namespace ktrial::engine
