// A campaign of very many short trials, whose jobs, machines and parent are killed at random, each
// time gone on with: as many records as trials, none doubled, nothing left behind.
// KTRIAL_DRILL_TRIALS: how many (1000). KTRIAL_DRILL_BUDGET: how long at most, "30m"; then there
// may be fewer.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>

#include "harness/e2e/e2e.h"
#include "harness/e2e/night_files.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

constexpr int kCells = 2;

int wanted() {
  const char* text = std::getenv("KTRIAL_DRILL_TRIALS");
  return text != nullptr ? std::max(kCells, std::atoi(text)) : 1000;
}

std::string budget() {
  const char* text = std::getenv("KTRIAL_DRILL_BUDGET");
  return text != nullptr ? text : "";
}

class CampaignDrill : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    keep_own_templates();
  }
  fs::path store() const { return root() / "state/ktrial"; }

  std::string plan() {
    const auto file = root() / "storm.toml";
    std::string text = "name = 'storm'\ncommand = ['sleep', '0.5']\nmemory = '256M'\n";
    if (!budget().empty()) text += "budget = '" + budget() + "'\n";
    text += "cold_share = 0.05\n[matrix]\nkernel = ['" + std::string(kKernel) +
            "']\ncpus = [1, 2]\n[goal]\ntrials = " + std::to_string(wanted() / kCells) + "\n";
    EXPECT_TRUE(write_file_atomically(file, text));
    return file.string();
  }

  Journal journal() const { return Journal::read(store()); }
  Records records() const { return Records::read(store()); }

  bool over() const { return processes().empty(); }

  // Kills one of them, if there is one.
  bool kill_one_of(const std::vector<pid_t>& victims) {
    return !victims.empty() && ::kill(victims[random_() % victims.size()], SIGKILL) == 0;
  }

  // Until the parent was killed, or came to its end. Each kill comes some trials after the last.
  void storm(Running& night) {
    for (int next = journal().submitted;;) {
      next += 2 + static_cast<int>(random_() % 9);
      ASSERT_TRUE(eventually([&] { return over() || journal().submitted >= next; },
                             std::chrono::seconds(600)))
          << night.err();
      ::usleep(random_() % 40 * 25'000);  // chance, not a wait for anything
      if (over()) return;
      const unsigned dice = random_() % 100;
      if (dice < 15) {
        night.signal(SIGKILL);
        ++parents_;
        return;
      }
      if (dice < 55)
        machines_ += kill_one_of(processes("qemu-system"));
      else
        jobs_ += kill_one_of(jobs());
    }
  }

  std::set<std::string> kept_machines() const {
    std::set<std::string> out;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(templates_, error))
      out.insert(entry.path().filename());
    return out;
  }

  std::mt19937 random_{20261129};
  int parents_ = 0, jobs_ = 0, machines_ = 0;
};

TEST_F(CampaignDrill, KilledAtRandomNoTrialIsLostDoubledOrLeaked) {
  REQUIRE_KERNEL(kKernel);
  REQUIRE_DIRECT_QEMU("its machines always boot");
  const std::string file = plan();
  constexpr int kAtATime = 2;
  int sessions = 0, exit = -1;
  while (exit < 0 && !HasFailure()) {
    Running night =
        sessions++ == 0
            ? start({"campaign", "run", file, "--jobs", std::to_string(kAtATime)})
            : start({"campaign", "resume", "storm", "--jobs", std::to_string(kAtATime)});
    const int parents = parents_;
    storm(night);
    const auto result = night.wait();
    if (parents_ == parents) exit = result.exit;
    ASSERT_TRUE(eventually([&] { return processes().empty() && temporary_files().empty(); }))
        << result.err;
    for (const std::string& name : kept_machines())
      EXPECT_EQ(name.find(".new"), name.npos) << "a half-made template was left: " << name;
  }
  EXPECT_EQ(exit, 0);

  const auto report = run({"campaign", "report", "storm", "--format", "json"}).json();
  ASSERT_TRUE(report.is_object());
  int told = 0, judged = 0;
  for (const auto& cell : report["cells"]) {
    told += cell["trials"].get<int>();
    judged += cell["pass"].get<int>() + cell["fail"].get<int>();
  }
  const Journal journal = this->journal();
  const Records records = this->records();
  const std::set<std::string> handed_back(journal.runs.begin(), journal.runs.end());
  int back_with_record = 0;
  for (const std::string& one : handed_back) back_with_record += records.runs.contains(one);
  std::printf(
      "storm: %d trials judged, %d told, %d recorded (%d pass, %d fail); %d begun, %d lost by "
      "name, %d cut off; killed: %d jobs, %d machines, %d times the parent; %d sessions; %.0f s\n",
      judged, told, records.trials, records.pass, records.fail, journal.submitted, journal.lost,
      records.cut_off, jobs_, machines_, parents_, sessions,
      report["budget"]["used_s"].get<double>());
  std::fflush(stdout);

  EXPECT_GE(judged, budget().empty() ? wanted() / kCells * kCells : 1);
  EXPECT_EQ(records.fail, 0) << "a kill is not the kernel's fault";
  EXPECT_EQ(told, records.trials) << "lost or doubled";
  EXPECT_EQ(static_cast<int>(records.runs.size()), records.trials) << "one trial each";
  EXPECT_EQ(handed_back.size(), journal.runs.size()) << "one was handed back twice";
  // What was begun came back, was lost by name, or ran when the parent was killed.
  const int open = journal.submitted - static_cast<int>(journal.runs.size());
  EXPECT_LE(records.trials - back_with_record, open);
  EXPECT_LE(open, kAtATime * parents_ + journal.lost);
  EXPECT_GE(records.trials, journal.submitted - kAtATime * parents_ - journal.lost);
  EXPECT_LE(journal.lost, jobs_ + machines_) << "a kill costs one trial";
  // Nothing half-made: each has a lock, and each lock is one's.
  const auto kept = kept_machines();
  for (const std::string& name : kept)
    EXPECT_TRUE(
        kept.contains(name.ends_with(".lock") ? name.substr(0, name.size() - 5) : name + ".lock"))
        << name;
  EXPECT_EQ(run({"campaign", "resume", "storm"}).exit, 129) << "it is at its end";
}

}  // namespace
}  // namespace ktrial::e2e
