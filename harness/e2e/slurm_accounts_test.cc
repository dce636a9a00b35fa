// What sacct tells of tasks that squeue has forgotten, by a Slurm with accounts.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "harness/e2e/slurm_fixture.h"
#include "harness/engine/slurm/commands.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;
namespace es = engine::slurm;

class SlurmAccountsTest : public SlurmFixture {
 protected:
  bool forgotten() {
    const auto text = slurm().ask({"squeue", "--noheader", "--states=all", "--format=%i"});
    return text && text->empty();
  }
  // Three tasks: one is well, one fails, one goes on. Then the last of them runs.
  std::string hand_over(es::Cluster& cluster) {
    const std::string shard = "s" + std::to_string(++shards_);
    fs::create_directories(root() / shard);
    EXPECT_TRUE(write_file_atomically(root() / shard / "task.sh",
                                      "#!/bin/sh\ncase $SLURM_ARRAY_TASK_ID in\n0) exit 0 ;;\n"
                                      "1) exit 3 ;;\n*) exec sleep 1000 ;;\nesac\n"));
    const auto array = cluster.submit({shard, 3, {.vcpus = 1, .memory_mib = 10, .minutes = 1}});
    EXPECT_TRUE(array) << array.error().message;
    const std::string last = array.value_or("") + "_2";
    EXPECT_TRUE(eventually([&] { return std::ranges::count(running(), last) == 1; })) << last;
    return array.value_or("");
  }
  std::vector<std::string> running() { return slurm().tasks("RUNNING"); }
  void set_node(const std::string& state) {
    (void)slurm().ask({"scontrol", "update", std::string("NodeName=") + PrivateSlurm::kNode,
                       "State=" + state, "Reason=test"});
  }

 private:
  int shards_ = 0;
};

TEST_F(SlurmAccountsTest, EachEndIsToldByItsWordAndNode) {
  REQUIRE_SLURM({.accounts = true});
  ::setenv("SLURM_CONF", slurm().conf().c_str(), 1);
  const auto cluster = es::slurm_cluster({}, "ktrial-test", root());
  const auto urgent = es::slurm_cluster({.partition = "urgent"}, "ktrial-test", root());

  const std::string cancelled = hand_over(*cluster), failing = hand_over(*cluster);
  EXPECT_TRUE(cluster->cancel({cancelled + "_2"}, false));
  set_node("DOWN");
  ASSERT_TRUE(eventually([&] { return running().empty(); }));
  set_node("RESUME");
  // One that nobody may take off its CPU runs into its limit of a minute.
  const std::string limited = hand_over(*urgent), preempted = hand_over(*cluster),
                    pushing = hand_over(*urgent);
  EXPECT_TRUE(cluster->cancel({pushing}, false));
  ASSERT_TRUE(eventually([&] { return forgotten(); }, std::chrono::seconds(240)));

  const std::string by = "CANCELLED by " + std::to_string(::geteuid());
  const std::map<std::string, std::string> expected = {{cancelled, by},
                                                       {failing, "NODE_FAIL"},
                                                       {limited, "TIMEOUT"},
                                                       {preempted, "PREEMPTED"},
                                                       {pushing, by}};
  for (const auto& [array, last] : expected) {
    std::map<int, std::string> words;
    EXPECT_TRUE(eventually([&] {
      const auto told = cluster->recall();
      if (told.contains(array))
        for (const es::Sight& sight : told.at(array))
          words[sight.index] = sight.word + " " + sight.node;
      return words.size() == 3;
    })) << array;
    const std::string node = std::string(" ") + PrivateSlurm::kNode;
    EXPECT_EQ(words, (std::map<int, std::string>{
                         {0, "COMPLETED" + node}, {1, "FAILED" + node}, {2, last + node}}));
  }
}

// Nobody looked on when the task was killed, and squeue knows nothing any more.
TEST_F(SlurmAccountsTest, AJobThatWasLostMeanwhileIsNamedAndGoesOnceMore) {
  REQUIRE_SLURM({.accounts = true});
  REQUIRE_KERNEL(kKernel);
  const std::vector<std::string> more = {"--engine", "slurm", "--results", results()};
  {
    Running night = start(with({"campaign", "run", plan(1, "['sleep', '6']")}, more));
    ASSERT_TRUE(eventually([&] { return !tasks_of_ktrial().empty(); }, std::chrono::seconds(240)))
        << night.err();
    night.signal(SIGKILL);
    night.wait();
  }
  for (const pid_t task : tasks_of_ktrial()) ::kill(task, SIGKILL);
  ASSERT_TRUE(eventually([&] { return forgotten(); }, std::chrono::seconds(240)));
  const auto result = run(with({"campaign", "resume", "small", "--format", "json"}, more));
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.err.find("a job was lost on desk: FAILED"), std::string::npos) << result.err;
  const auto json = result.json();
  ASSERT_TRUE(json.is_object()) << result.out;
  for (const auto& cell : json["cells"]) EXPECT_EQ(cell["pass"], 1) << json;
  EXPECT_EQ(records(), 2) << "lost or doubled";
}

}  // namespace
}  // namespace ktrial::e2e
