#include "harness/cli/usage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ktrial::cli {
namespace {

// `run [--kernel K] [--append A] [--fast] [SPEC]` and `list one|two` of a program "prog".
std::string said(const std::vector<std::string>& words) {
  CLI::App app;
  app.name("prog");
  app.require_subcommand(1);
  std::string kernel, append, spec;
  bool fast = false;
  auto* run = app.add_subcommand("run");
  run->add_option("--kernel", kernel);
  run->add_option("--append", append);
  run->add_flag("--fast", fast);
  run->add_option("SPEC", spec);
  auto* list = app.add_subcommand("list");
  list->require_subcommand(1);
  list->add_subcommand("one");
  list->add_subcommand("two");
  refuse_empty_values(app);
  std::vector<const char*> argv = {"prog"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  try {
    app.parse(static_cast<int>(argv.size()), argv.data());
  } catch (const CLI::ParseError& error) {
    const Error problem = usage_problem(app, error);
    EXPECT_EQ(problem.kind, ErrorKind::usage);
    return problem.message + "\n" + problem.hint;
  }
  return "fine";
}

TEST(UsageTest, NamesAnUnknownCommandAndItsNeighbour) {
  EXPECT_EQ(said({"ruun"}),
            "`prog` has no command 'ruun'; did you mean run?\nthere are: run, list");
  EXPECT_EQ(said({"frobnicate", "x"}), "`prog` has no command 'frobnicate'\nthere are: run, list");
  EXPECT_EQ(said({"list", "too"}),
            "`prog list` has no command 'too'; did you mean two?\nthere are: one, two");
  EXPECT_EQ(said({}), "`prog` needs a command\nthere are: run, list");
  EXPECT_EQ(said({"list"}), "`prog list` needs a command\nthere are: one, two");
}

TEST(UsageTest, NamesAnUnknownOptionOfItsCommand) {
  EXPECT_EQ(said({"run", "--kernal", "x"}),
            "`prog run` has no option '--kernal'; did you mean --kernel?\nsee `prog run --help`");
  EXPECT_EQ(said({"run", "--kernal=x"}),
            "`prog run` has no option '--kernal'; did you mean --kernel?\nsee `prog run --help`");
  EXPECT_EQ(said({"--frobnicate"}), "`prog` has no option '--frobnicate'\nsee `prog --help`");
}

TEST(UsageTest, NamesAnArgumentTooMany) {
  EXPECT_EQ(said({"run", "a", "b"}),
            "`prog run` takes no further argument 'b'\nsee `prog run --help`");
}

// A script's unset variable must not put the default kernel on trial.
TEST(UsageTest, RefusesEmptyValues) {
  EXPECT_EQ(said({"run", "--kernel", ""}),
            "--kernel: the value is empty; leave the option out for its default\n"
            "see `prog run --help`");
  EXPECT_NE(said({"run", "--kernel="}), "fine");
  EXPECT_NE(said({"run", ""}), "fine");
  EXPECT_EQ(said({"run", "--append", ""}), "fine");
  EXPECT_EQ(said({"run", "--fast", "--kernel", "x", "spec"}), "fine");
}

}  // namespace
}  // namespace ktrial::cli
