// The program itself, on this host.
#include <gmock/gmock.h>
#include <test_paths.h>

#include <csignal>

#include "harness/base/command.h"

namespace ktrial::mix {
namespace {
using ::testing::MatchesRegex;

TEST(MixProgramTest, EndsThoughAChildThatIsLeftHoldsThePipes) {
  const std::string mix = KTRIAL_BINARY_DIR "/share/ktrial/guest/ktrial-mix";
  const auto ran = run_command({mix, "/bin/sh", "-c", "sleep 300 & echo $!", "+", "/bin/true"},
                               {.timeout = std::chrono::seconds(100)});
  ASSERT_TRUE(ran) << ran.error().message;
  EXPECT_EQ(ran->exit_status, 0);
  ASSERT_THAT(ran->out, MatchesRegex("sh: [0-9]+\n"));
  ::kill(std::stoi(ran->out.substr(4)), SIGKILL);
}

}  // namespace
}  // namespace ktrial::mix
