// The fleet's decisions over a made-up scheduler, in virtual time.
#include "harness/engine/slurm/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <memory>

#include "harness/engine/slurm/fake_cluster.h"

namespace ktrial::engine::slurm {
namespace {
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Health = FakeCluster::Health;

constexpr Pace kPace{.away_s = 3600, .late_file_s = 65, .cancel_s = 60};

run::Job job_of(int number, int seconds = 30, int cpus = 2) {
  run::Job job;
  job.cell = std::to_string(number);
  job.spec.cpus = cpus;
  job.spec.duration = spec::Milliseconds(seconds * 1000);
  return job;
}

class FleetTest : public testing::Test {
 protected:
  void make(const FakeCluster::Options& options) {
    cluster_ = std::make_unique<FakeCluster>(options);
    cluster_->committed = [this](const run::Job& job) { ++records_[job.cell]; };
    begin();
  }
  void begin(Pace pace = kPace) {
    fleet_ = std::make_unique<Fleet>(
        pace, *cluster_, *cluster_,
        FleetHooks{.tell = [this](const std::string& text) { told_ += text + "\n"; }});
  }
  void submit(JobId id, const run::Job& job) {
    fleet_->submit(id, job, {.vcpus = job.spec.cpus},
                   static_cast<double>(job.spec.duration->count()) / 1000);
  }
  // Until `done`, or no more than `most` virtual seconds.
  void run(const std::function<bool()>& done, double most = 100'000) {
    for (const double end = now_ + most; now_ < end && !done();) {
      now_ = std::max(now_ + 0.01, fleet_->step(now_));
      cluster_->advance(now_);
      for (; !fleet_->settled.empty(); fleet_->settled.pop_front())
        settled_.emplace(fleet_->settled.front().job, fleet_->settled.front());
    }
  }
  void run_all() {
    run([&] { return fleet_->idle(); });
    run([] { return true; });
    for (; !fleet_->settled.empty(); fleet_->settled.pop_front())
      settled_.emplace(fleet_->settled.front().job, fleet_->settled.front());
  }
  template <class T>
  int how_many() const {
    int out = 0;
    for (const auto& [id, one] : settled_) out += std::holds_alternative<T>(one.how);
    return out;
  }

  std::unique_ptr<FakeCluster> cluster_;
  std::unique_ptr<Fleet> fleet_;
  std::map<std::string, int> records_;
  std::map<JobId, Fleet::Settled> settled_;
  std::string told_;
  double now_ = 0;
};

TEST_F(FleetTest, JobsThatAskTheSameAreOneArrayTheLongestFirst) {
  make({.nodes = 2});
  submit(1, job_of(1, 10));
  submit(2, job_of(2, 50));
  submit(3, job_of(3, 20, 4));
  run_all();
  EXPECT_EQ(how_many<Finished>(), 3);
  EXPECT_EQ(fleet_->counts().arrays, 2) << "one for each number of vCPUs";
  EXPECT_EQ(cluster_->seen.front().tasks, 2);
  EXPECT_EQ(records_.size(), 3u);
  EXPECT_EQ(cluster_->kept(), 2u)
      << "no folder is left, and what the scheduler remembers is its own";
}

TEST_F(FleetTest, WhatIsLostGoesOnceMoreAndTheLossIsNamed) {
  make({.nodes = 2});
  submit(1, job_of(1));
  run([&] { return cluster_->running() == 1; });
  cluster_->end("2", 0, "PREEMPTED");
  run_all();
  EXPECT_EQ(how_many<Finished>(), 1);
  EXPECT_EQ(records_["1"], 1);
  EXPECT_THAT(told_, HasSubstr("a job was lost on n0: PREEMPTED; it goes once more"));
}

// It told that a signal ended it; who sent it the scheduler knows.
TEST_F(FleetTest, ATaskThatOthersEndIsToldWithTheSchedulersWord) {
  make({.nodes = 1});
  submit(1, job_of(1));
  run([&] { return cluster_->running() == 1; });
  cluster_->interrupt("2", 0);
  run([&] { return false; }, 2);
  EXPECT_EQ(told_, "") << "it is not known yet";
  cluster_->end("2", 0, "CANCELLED");
  run_all();
  EXPECT_EQ(how_many<Finished>(), 1);
  EXPECT_THAT(told_, HasSubstr("a job was lost on n0: CANCELLED; it goes once more"));
}

// A helper got the signal first; the task took that for the node's fault.
TEST_F(FleetTest, WhatATaskCouldNotDoWhenItWasEndedIsNotTheNodes) {
  make({.nodes = 1});
  submit(1, job_of(1));
  run([&] { return cluster_->running() == 1; });
  cluster_->interrupt("2", 0, 128, Error{ErrorKind::environment, "QEMU was ended"});
  run([&] { return false; }, 2);
  cluster_->end("2", 0, "PREEMPTED");
  run_all();
  EXPECT_EQ(how_many<Finished>(), 1);
  EXPECT_THAT(told_, HasSubstr("a job was lost on n0: PREEMPTED; it goes once more"));
  EXPECT_THAT(told_, Not(HasSubstr("QEMU was ended")));
}

TEST_F(FleetTest, WhatTheSchedulerHasForgottenItsAccountsTell) {
  make({.nodes = 1});
  submit(1, job_of(1));
  run([&] { return cluster_->running() == 1; });
  cluster_->end("2", 0, "NODE_FAIL");
  cluster_->forget("2");
  run_all();
  EXPECT_EQ(how_many<Finished>(), 1);
  EXPECT_THAT(told_, HasSubstr("a job was lost on n0: NODE_FAIL; it goes once more"));
}

TEST_F(FleetTest, AfterSomeAttemptsItIsLostForGood) {
  make({.nodes = 1, .ill = {{0, Health::black_hole}}});
  submit(1, job_of(1));
  run_all();
  ASSERT_EQ(how_many<Lost>(), 1);
  EXPECT_THAT(std::get<Lost>(settled_.at(1).how).reason, HasSubstr("times, at last on n0: "));
  EXPECT_THAT(fleet_->nodes().avoided(), IsEmpty()) << "the only node is not avoided";
}

TEST_F(FleetTest, ANodeThatFailsEveryJobIsNamedAndAvoided) {
  make({.nodes = 4, .ill = {{0, Health::broken}, {2, Health::black_hole}}});
  for (int i = 1; i <= 60; ++i) submit(static_cast<JobId>(i), job_of(i));
  run_all();
  EXPECT_EQ(how_many<Finished>(), 60);
  for (const auto& [id, one] : settled_) EXPECT_FALSE(std::get<Finished>(one.how).error) << id;
  EXPECT_THAT(fleet_->nodes().avoided(), testing::ElementsAre("n0", "n2"));
  EXPECT_THAT(told_, HasSubstr("node n0 is avoided: it failed "));
  EXPECT_THAT(told_, HasSubstr("no QEMU here"));
  submit(100, job_of(100));
  run_all();
  EXPECT_THAT(cluster_->seen.back().avoid, testing::ElementsAre("n0", "n2"));
}

TEST_F(FleetTest, WhatWorksNowhereIsToldAsItIs) {
  make({.nodes = 3, .ill = {{0, Health::broken}, {1, Health::broken}, {2, Health::broken}}});
  submit(1, job_of(1));
  run_all();
  ASSERT_EQ(how_many<Finished>(), 1);
  EXPECT_EQ(std::get<Finished>(settled_.at(1).how).error->message, "no QEMU here");
  EXPECT_THAT(fleet_->nodes().avoided(), IsEmpty());
}

// A last word may need a minute until it is seen on this host.
TEST_F(FleetTest, AWordThatComesLateIsWaitedFor) {
  make({.nodes = 1, .late_files = 60});
  submit(1, job_of(1, 1));
  run_all();
  EXPECT_EQ(how_many<Finished>(), 1);
  EXPECT_EQ(fleet_->counts().losses, 0);
}

TEST_F(FleetTest, CancelledBeforeItBeganNobodyTakesIt) {
  make({.nodes = 1, .cpus = 2});
  submit(1, job_of(1));
  submit(2, job_of(2));
  submit(3, job_of(3));
  run([&] { return cluster_->running() == 1; });
  fleet_->cancel(2, now_);
  fleet_->cancel(1, now_);
  run_all();
  EXPECT_EQ(how_many<Cancelled>(), 2);
  EXPECT_EQ(how_many<Finished>(), 1);
  EXPECT_EQ(records_.size(), 1u);
  EXPECT_THAT(cluster_->cancelled, Contains("2_0"));
}

TEST_F(FleetTest, ASchedulerThatIsAwayIsWaitedFor) {
  make({.nodes = 1});
  submit(1, job_of(1, 300));
  run([&] { return cluster_->running() == 1; });
  cluster_->answers = false;
  submit(2, job_of(2));
  run([] { return false; }, 1000);
  EXPECT_EQ(how_many<Finished>(), 1) << "its own word is enough";
  EXPECT_THAT(told_, HasSubstr("trying on"));
  cluster_->answers = true;
  run_all();
  EXPECT_EQ(how_many<Finished>(), 2);
  EXPECT_LT(fleet_->counts().polls, 60);
}

TEST_F(FleetTest, ASchedulerThatStaysAwayLosesThem) {
  make({.nodes = 1});
  cluster_->answers = false;
  submit(1, job_of(1));
  run_all();
  EXPECT_THAT(std::get<Lost>(settled_.at(1).how).reason, HasSubstr("has not answered for 1 h"));
}

TEST_F(FleetTest, WhatItRefusesThriceIsAnError) {
  make({.nodes = 1});
  cluster_->refuses = true;
  submit(1, job_of(1));
  run_all();
  EXPECT_EQ(std::get<Finished>(settled_.at(1).how).error->message, "sbatch: no");
}

TEST_F(FleetTest, TheTasksOfAProcessThatIsGoneServeTheNext) {
  make({.nodes = 1, .cpus = 2});
  for (int i = 1; i <= 3; ++i) submit(static_cast<JobId>(i), job_of(i));
  run([&] { return records_.size() == 1; });
  begin();  // as after kill -9
  fleet_->adopt();
  EXPECT_EQ(fleet_->unclaimed(), 2);
  for (const auto& i : {1, 2, 3})
    if (records_.count(std::to_string(i)) == 0) submit(static_cast<JobId>(10 + i), job_of(i));
  run_all();
  EXPECT_EQ(fleet_->counts().adopted, 2);
  EXPECT_EQ(fleet_->counts().arrays, 0);
  for (const auto& i : {"1", "2", "3"}) EXPECT_EQ(records_[i], 1);
}

// 200 nodes, 2 % of them ill, 100,000 trials; who submits is killed and begun again twice.
TEST(FleetSimulation, NothingIsLostOrDoubledAndNobodyCanComplain) {
  constexpr int kTrials = 100'000, kNodes = 200, kCpus = 8, kWindow = 800;
  FakeCluster cluster({.nodes = kNodes,
                       .cpus = kCpus,
                       .ill = {{3, Health::black_hole},
                               {77, Health::broken},
                               {120, Health::flaky},
                               {199, Health::black_hole}},
                       .bad_luck = 0.003,
                       .late_files = 1,
                       .seed = 7});
  std::vector<std::uint8_t> records(kTrials);
  int recorded = 0;
  cluster.committed = [&](const run::Job& job) {
    ++records[static_cast<std::size_t>(std::stoi(job.cell))];
    ++recorded;
  };
  const auto job_number = [](int i) { return job_of(i, 20 + i * 7919 % 41, i % 3 == 0 ? 4 : 2); };
  std::unique_ptr<Fleet> fleet;
  std::map<JobId, int> open;
  std::deque<int> again;
  JobId last = 0;
  int next = 0, adopted = 0, avoided = 0;
  double now = 0;
  std::int64_t arrays = 0, polls = 0, losses = 0;
  std::size_t most_kept = 0, early_bytes = 0, late_bytes = 0;
  const auto submit = [&](int i) {
    const run::Job job = job_number(i);
    fleet->submit(++last, job, {.vcpus = job.spec.cpus}, 20 + i * 7919 % 41);
    open.emplace(last, i);
  };
  const auto account = [&] {
    arrays += fleet->counts().arrays;
    polls += fleet->counts().polls;
    losses += fleet->counts().losses;
    adopted += static_cast<int>(fleet->counts().adopted);
  };
  const auto begin = [&] {
    if (fleet) account();
    fleet = std::make_unique<Fleet>(kPace, cluster, cluster, FleetHooks{});
    fleet->adopt();
    // As a night that goes on: what has a record is done.
    std::vector<int> missing;
    for (const auto& [id, i] : open)
      if (records[static_cast<std::size_t>(i)] == 0) missing.push_back(i);
    open.clear();
    for (const int i : missing) submit(i);
  };
  begin();
  int restarts = 0;
  while (recorded < kTrials && now < 100'000) {
    while (std::ssize(open) < kWindow && (next < kTrials || !again.empty())) {
      if (again.empty()) {
        submit(next++);
      } else {
        submit(again.front());
        again.pop_front();
      }
    }
    now = std::max(now + 0.01, fleet->step(now));
    cluster.advance(now);
    for (; !fleet->settled.empty(); fleet->settled.pop_front()) {
      const auto& settled = fleet->settled.front();
      const int i = open.at(settled.job);
      open.erase(settled.job);
      if (records[static_cast<std::size_t>(i)] == 0) again.push_back(i);
    }
    most_kept = std::max(most_kept, cluster.kept());
    if (early_bytes == 0 && recorded > kTrials / 10) early_bytes = ::mallinfo2().uordblks;
    if (late_bytes == 0 && recorded > kTrials * 9 / 10) late_bytes = ::mallinfo2().uordblks;
    if (restarts < 2 && recorded > kTrials / 3 * (restarts + 1)) {
      ++restarts;
      avoided = std::max(avoided, static_cast<int>(fleet->nodes().avoided().size()));
      cluster.advance(now += 20);  // it is away for so long
      begin();
    }
  }
  account();
  const double used = cluster.used_vcpu_s() / (now * kNodes * kCpus);
  std::printf(
      "fleet: %d trials in %.0f s, %.1f %% of all CPU time; %.2f arrays and %.2f questions a "
      "minute; %d losses made good, %d tasks adopted, %d nodes avoided; memory %+.1f KiB\n",
      recorded, now, used * 100, static_cast<double>(arrays) / now * 60,
      static_cast<double>(polls) / now * 60, static_cast<int>(losses), adopted, avoided,
      (static_cast<double>(late_bytes) - static_cast<double>(early_bytes)) / 1024);
  EXPECT_EQ(recorded, kTrials);
  EXPECT_TRUE(std::ranges::all_of(records, [](auto count) { return count == 1; }));
  EXPECT_EQ(restarts, 2);
  EXPECT_GT(adopted, 100);
  EXPECT_GT(losses, 300) << "the bad luck came";
  EXPECT_GE(avoided, 3) << "those that fail every job";
  EXPECT_LE(avoided, 4) << "and no healthy one";
  EXPECT_GE(used, 0.95);
  EXPECT_LT(static_cast<double>(arrays), now / kPace.submit_s + 20);
  EXPECT_LT(static_cast<double>(polls), now / kPace.poll_s + 20);
  EXPECT_LT(most_kept, 1000u);
  EXPECT_LT(late_bytes, early_bytes + early_bytes / 4) << "memory grows with the trials";
}

}  // namespace
}  // namespace ktrial::engine::slurm
