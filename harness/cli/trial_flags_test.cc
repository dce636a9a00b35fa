#include "harness/cli/trial_flags.h"

#include <gtest/gtest.h>

#include "harness/base/file.h"

namespace ktrial::cli {
namespace {

class TrialFlagsTest : public testing::Test {
 protected:
  std::string put(const std::string& toml) {
    const auto path = dir_->path() / "spec.toml";
    EXPECT_TRUE(write_file_atomically(path, toml));
    return path.string();
  }
  // The only spec of `flags`, or the message of the error.
  Result<spec::TrialSpec> spec_of(const std::vector<std::string>& command = {}) {
    auto specs = KTRIAL_TRY(specs_of(flags_, command));
    EXPECT_EQ(specs.size(), 1u);
    return specs.front();
  }
  Result<TempDir> dir_ = TempDir::create();
  TrialFlags flags_;
};

TEST_F(TrialFlagsTest, FlagsWinOverTheFile) {
  flags_.spec_file = put("cpus = 8\nmemory = '2G'\nappend = 'a'\n[set]\nrounds = 1\npin = true\n");
  flags_.cpus = 2;
  flags_.append = "b";
  flags_.settings = {"rounds=3"};
  const auto spec = spec_of();
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->cpus, 2);
  EXPECT_EQ(spec->memory_mib, 2048);
  EXPECT_EQ(spec->append, "a b");
  EXPECT_EQ(spec->parameters, (decltype(spec->parameters){{"rounds", "3"}, {"pin", "true"}}));
}

TEST_F(TrialFlagsTest, AWorkloadReplacesTheFilesCommand) {
  flags_.spec_file = put("command = ['/bin/true']\n");
  flags_.workload = "smoke";
  const auto spec = spec_of();
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->workload, "smoke");
  EXPECT_TRUE(spec->command.empty());
}

TEST_F(TrialFlagsTest, ACommandReplacesTheFilesWorkloadAndItsParameters) {
  flags_.spec_file = put("workload = 'fork-storm'\n[set]\nprocesses = 2\n");
  const auto spec = spec_of({"true"});
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->command, std::vector<std::string>{"true"});
  EXPECT_TRUE(spec->parameters.empty());
  flags_.workload = "smoke";
  EXPECT_FALSE(spec_of({"true"}));
}

TEST_F(TrialFlagsTest, NotesThatShallFailReplaceTheFiles) {
  flags_.spec_file = put("fail_on = ['out_of_memory']\n");
  EXPECT_EQ(spec_of()->fail_on, std::vector<std::string>{"out_of_memory"});
  CLI::App app;
  add_trial_options(app, flags_);
  app.parse("--fail-on page_allocation,netdev_watchdog");
  EXPECT_EQ(spec_of()->fail_on, (std::vector<std::string>{"page_allocation", "netdev_watchdog"}));
  EXPECT_THROW(app.parse("--fail-on warning"), CLI::ParseError);
}

TEST_F(TrialFlagsTest, AnErrorNamesItsFlag) {
  flags_.memory = "lots";
  const auto spec = spec_of();
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().kind, ErrorKind::usage);
  EXPECT_TRUE(spec.error().message.starts_with("--memory: 'lots'")) << spec.error().message;
}

}  // namespace
}  // namespace ktrial::cli
