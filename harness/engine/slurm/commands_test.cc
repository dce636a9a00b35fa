#include "harness/engine/slurm/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "harness/base/file.h"

namespace ktrial::engine::slurm {
namespace {
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;
using State = Sight::State;

TEST(SlurmCommandsTest, AnArraySaysWhatItsTasksNeed) {
  const spec::Slurm config{.partition = "p", .account = "a", .qos = "q", .sbatch = {"--nice=100"}};
  const auto words = sbatch_words({"s0001", 3, {4, 2048, 30, "kvm"}, {"n1", "n2"}}, config,
                                  "ktrial-x", "/shared/fleet/x");
  EXPECT_THAT(words,
              IsSupersetOf({"--parsable", "--array=0-2", "--job-name=ktrial-x", "--comment=s0001",
                            "--output=/shared/fleet/x/s0001/%a.out", "--cpus-per-task=4",
                            "--mem=2048M", "--time=30", "--partition=p", "--account=a", "--qos=q",
                            "--constraint=kvm", "--exclude=n1,n2", "--no-requeue", "--nice=100"}));
  EXPECT_EQ(words.back(), "/shared/fleet/x/s0001/task.sh");
  const auto plain = sbatch_words({"s", 1, {}, {}}, {}, "n", "/f");
  for (const char* flag : {"--time", "--partition", "--constraint", "--exclude"})
    EXPECT_THAT(plain, Not(Contains(StartsWith(flag))));
}

TEST(SlurmCommandsTest, WhatAJobAsksFollowsFromItsMachine) {
  run::Job job;
  job.spec.cpus = 4;
  job.spec.memory_mib = 1024;
  job.spec.start = spec::Start::cold;
  const Ask cold = ask_of(job, {});
  EXPECT_EQ(cold.vcpus, 4);
  EXPECT_GT(cold.memory_mib, 1024);
  EXPECT_EQ(cold.minutes % 15, 0);
  job.spec.start = spec::Start::warm;
  EXPECT_EQ(ask_of(job, {}).memory_mib, cold.memory_mib + 1024) << "the template is there, too";
  job.spec.accel = spec::Accel::kvm;
  EXPECT_EQ(ask_of(job, {.constraint = "big", .kvm = "kvm"}).constraint, "big&kvm");
  job.spec.duration = spec::Milliseconds(3 * 3600 * 1000);
  EXPECT_GT(ask_of(job, {}).minutes, 180);
  job.spec.until_fail = true;
  EXPECT_EQ(ask_of(job, {}).minutes, 0) << "nobody knows how long it takes";
}

TEST(SlurmCommandsTest, IdsAreRead) {
  EXPECT_EQ(parse_sbatch("17\n").value(), "17");
  EXPECT_EQ(parse_sbatch("17;desk\n").value(), "17");
  EXPECT_FALSE(parse_sbatch("Submitted batch job 17\n"));
  EXPECT_FALSE(parse_sbatch(""));
}

// As Slurm 22.05 prints them.
TEST(SlurmCommandsTest, TasksAreRead) {
  const auto rows = parse_squeue(
      "1|2|PENDING||s0001\n1|0|RUNNING|desk|s0001\n1|1|COMPLETED|desk|s0001\n"
      "1|3|NODE_FAIL|desk|s0001\n1|4|COMPLETING|desk|s0001\n");
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 5u);
  EXPECT_EQ((*rows)[0].sight.state, State::waiting);
  EXPECT_EQ((*rows)[1].sight.state, State::running);
  EXPECT_EQ((*rows)[1].sight.node, "desk");
  EXPECT_EQ((*rows)[1].shard, "s0001");
  EXPECT_EQ((*rows)[2].sight.state, State::over);
  EXPECT_EQ((*rows)[3].sight.word, "NODE_FAIL");
  EXPECT_EQ((*rows)[4].sight.state, State::running);
  EXPECT_TRUE(parse_squeue("")->empty());
  EXPECT_THAT(parse_squeue("JOBID PARTITION NAME\n").error().message, HasSubstr("squeue said"));
}

TEST(SlurmCommandsTest, AccountsAreRead) {
  const auto rows = parse_sacct(
      "12_0|COMPLETED|n1\n12_1|CANCELLED by 1000|None assigned\n12_[2-9]|PENDING|None assigned\n"
      "13|COMPLETED|n1\n12_1.batch|x|y\n12_10|REQUEUED|n1\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2].sight.state, State::waiting);
  EXPECT_EQ(rows[0].array, "12");
  EXPECT_EQ(rows[1].sight.index, 1);
  EXPECT_EQ(rows[1].sight.state, State::over);
  EXPECT_EQ(rows[1].sight.word, "CANCELLED by 1000");
  EXPECT_EQ(rows[1].sight.node, "");
}

TEST(SlurmCommandsTest, NoAccountIsAskedForWhatItDoesNotHave) {
  for (const std::string& word : sacct_words("n"))
    EXPECT_NE(word, "--array") << "22.05 knows no such flag, and fails";
}

class SlurmAccountsTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::getenv("PATH");
    ::setenv("PATH", (dir_.path().string() + ":" + path_).c_str(), 1);
  }
  void TearDown() override { ::setenv("PATH", path_.c_str(), 1); }
  void program(const std::string& name, const std::string& does) {
    const auto file = dir_.path() / name;
    ASSERT_TRUE(write_file_atomically(file, "#!/bin/sh\n" + does + "\n"));
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  int asked() const {
    const std::string text = read_file(dir_.path() / "asked").value_or("");
    return static_cast<int>(std::ranges::count(text, '\n'));
  }
  std::string note() const { return "echo >> " + (dir_.path() / "asked").string() + "\n"; }

  const TempDir dir_ = TempDir::create("accounts").value();
  std::string path_;
  const std::unique_ptr<Cluster> cluster_ = slurm_cluster({}, "n", dir_.path());
};

TEST_F(SlurmAccountsTest, TellOfWhatIsOver) {
  program("sacct", note() + "printf '5_0|FAILED|n2\\n5_1|NODE_FAIL|n3\\n5_3|RUNNING|n1\\n'");
  const auto told = cluster_->recall();
  ASSERT_TRUE(told.contains("5"));
  std::map<int, std::string> words;
  for (const Sight& sight : told.at("5")) words[sight.index] = sight.word + " " + sight.node;
  EXPECT_EQ(words, (std::map<int, std::string>{{0, "FAILED n2"}, {1, "NODE_FAIL n3"}}))
      << "squeue knows better what runs";
}

TEST_F(SlurmAccountsTest, ThatAreNotThereAreAskedSeldom) {
  program("sacct", note() + "echo 'Slurm accounting storage is disabled' >&2; exit 1");
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(cluster_->recall().empty());
  EXPECT_EQ(asked(), 2);
  program("sacct", note() + "echo '5_0|TIMEOUT|n1'");
  std::string word;
  for (int i = 0; i < 30 && word.empty(); ++i)
    if (const auto told = cluster_->recall(); told.contains("5")) word = told.at("5").front().word;
  EXPECT_EQ(word, "TIMEOUT") << "they came back";
}

TEST(SlurmCommandsTest, NodesThatAreUpMakeTheRoom) {
  const auto room = parse_sinfo(
      "n1|8|16000|idle\nn2|8|16000|mix\nn3|8|16000|down*\nn1|8|16000|idle\nn4|4|8000|alloc\n");
  ASSERT_TRUE(room);
  EXPECT_EQ(room->vcpus, 20);
  EXPECT_EQ(room->memory_mib, 40000);
  EXPECT_FALSE(parse_sinfo("PARTITION AVAIL\n"));
}

}  // namespace
}  // namespace ktrial::engine::slurm
