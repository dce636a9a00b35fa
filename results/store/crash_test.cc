// A store that several processes write and read, and in which they are killed.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "harness/base/file.h"
#include "results/store/json.h"
#include "results/store/test_dir.h"
#include "results/store/test_store.h"

namespace ktrial::results {
namespace {
namespace fs = std::filesystem;

// The promise: a trial whose add_trial() returned is there whole, whatever
// happens next; and nothing else is.
TEST(StoreCrashTest, KillAtAnyPointLosesNoCommittedTrial) {
  TestDir dir;
  for (int round = 0; round < 40; ++round) {
    int pipe_fds[2];
    ASSERT_EQ(::pipe(pipe_fds), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe_fds[0]);
      auto store = Store::open(dir.path());
      if (!store) _exit(1);
      auto run = store->begin_run(spec(100000), {"x"});
      if (!run) _exit(2);
      for (int i = 0;; ++i) {
        if (!run->add_trial(trial(i, i % 3 ? Outcome::pass : Outcome::fail))) _exit(3);
        if (::write(pipe_fds[1], &i, sizeof i) != sizeof i) _exit(4);
      }
    }
    ::close(pipe_fds[1]);
    // Kill after so many commits, plus a moment that differs from round to round.
    int committed = -1, value = 0;
    for (int n = 0; n <= round / 4; ++n)
      if (::read(pipe_fds[0], &value, sizeof value) == sizeof value) committed = value;
    ::usleep(static_cast<useconds_t>(round * 137 % 2000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed: " << status;
    while (::read(pipe_fds[0], &value, sizeof value) == sizeof value) committed = value;
    ::close(pipe_fds[0]);

    Store store = open(dir.path());
    auto run = store.load("last");
    ASSERT_TRUE(run) << run.error().message;
    EXPECT_EQ(run->state, RunState::interrupted);
    EXPECT_EQ(run->verdict.outcome, Outcome::fail) << "trial 0 failed and was committed";
    // One more may have been renamed into place before it could be announced.
    ASSERT_GE(static_cast<int>(run->trials.size()), committed + 1);
    ASSERT_LE(static_cast<int>(run->trials.size()), committed + 2);
    for (std::size_t i = 0; i < run->trials.size(); ++i) {
      EXPECT_EQ(run->trials[i].index, static_cast<int>(i));
      EXPECT_EQ(run->trials[i].verdict.reason, "reason " + std::to_string(i));
      EXPECT_EQ(run->trials[i].counters.size(), 1u);
    }
    for (const auto& entry : fs::directory_iterator(run->directory / "trials")) {
      auto text = read_file(entry.path() / "verdict.json");
      if (text) {
        EXPECT_TRUE(parse_json(*text)) << entry.path() << " holds half a verdict";
      }
    }
    auto listed = store.list();
    ASSERT_EQ(listed->size(), static_cast<std::size_t>(round) + 1);
    EXPECT_EQ(listed->at(0).passed + listed->at(0).failed, static_cast<int>(run->trials.size()));
  }
}

// Many trials: then reading takes longer than ending does.
TEST(StoreCrashTest, ARunThatEndsWhileItIsReadWasNotInterrupted) {
  constexpr int kRounds = 3, kTrials = 100;
  TestDir dir;
  for (int round = 0; round < kRounds; ++round) {
    int begun[2];
    ASSERT_EQ(::pipe(begun), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto store = Store::open(dir.path(), false);
      auto run = store ? store->begin_run(spec(kTrials), {}) : std::unexpected(store.error());
      bool good = run.has_value();
      for (int i = 0; good && i < kTrials; ++i) good = run->add_trial(trial(i)).has_value();
      good = good && ::write(begun[1], "x", 1) == 1;
      _exit(good && run->finish() ? 0 : 1);
    }
    ::close(begun[1]);
    char byte;
    ASSERT_EQ(::read(begun[0], &byte, 1), 1);
    ::close(begun[0]);
    const Store store = *Store::open(dir.path(), false);
    int status = 0;
    for (bool over = false; !over;) {
      over = ::waitpid(child, &status, WNOHANG) == child;
      const auto run = store.load("last");
      ASSERT_TRUE(run) << run.error().message;
      ASSERT_NE(run->state, RunState::interrupted);
    }
    EXPECT_EQ(status, 0);
  }
}

// Several processes make runs while another one breaks the index under them, again and again.
TEST(StoreCrashTest, ManyProcessesShareOneFolder) {
  constexpr int kProcesses = 4, kRuns = 5;
  TestDir dir;
  std::vector<pid_t> children;
  for (int n = 0; n < kProcesses; ++n) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int i = 0; i < kRuns; ++i) {
        auto store = Store::open(dir.path());
        auto run = store ? store->begin_run(spec(1), {}) : std::unexpected(store.error());
        if (!run || !run->add_trial(trial(0)) || !store->list() || !run->finish()) _exit(1);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (int i = 0; i < 30; ++i)
    std::ofstream(dir.path() / "index.db", std::ios::in) << std::string(300, 'x');
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  const auto runs = open(dir.path()).list();
  ASSERT_TRUE(runs);
  EXPECT_EQ(runs->size(), static_cast<std::size_t>(kProcesses * kRuns));
  for (const RunSummary& run : *runs) {
    EXPECT_EQ(run.state, RunState::finished);
    EXPECT_EQ(run.passed, 1);
  }
}

}  // namespace
}  // namespace ktrial::results
