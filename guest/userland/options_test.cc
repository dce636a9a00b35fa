#include "guest/userland/options.h"

#include <gtest/gtest.h>

namespace ktrial::userland {
namespace {

TEST(UserlandOptionsTest, EachArgumentAndTheCommand) {
  std::string problem;
  const Options got = parse({"--virtiofs=root", "--host", "--try-cwd=/a b", "--input=/in", "--",
                             "sh", "-c", "--", "--host"},
                            problem);
  EXPECT_EQ(problem, "");
  EXPECT_EQ(got.tag, "root");
  EXPECT_TRUE(got.host && got.has_root() && !got.writable);
  EXPECT_EQ(got.try_cwd, "/a b");
  EXPECT_EQ(got.input, "/in");
  EXPECT_EQ(got.command, (std::vector<std::string>{"sh", "-c", "--", "--host"}));
}

TEST(UserlandOptionsTest, WhatIsWrongIsNamed) {
  const auto problem_of = [](const std::vector<std::string>& arguments) {
    std::string problem;
    parse(arguments, problem);
    return problem;
  };
  EXPECT_EQ(problem_of({"--what", "--", "sh"}), "unknown argument --what");
  EXPECT_EQ(problem_of({"--host"}), "no command after --");
  EXPECT_EQ(problem_of({"--block=/dev/vda", "--", "sh"}), "--block needs --type");
}

}  // namespace
}  // namespace ktrial::userland
