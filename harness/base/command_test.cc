#include "harness/base/command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "harness/base/fd.h"

namespace ktrial {
namespace {

TEST(CommandTest, ReturnsBothStreamsAndTheExitStatus) {
  auto result = run_command({"sh", "-c", "echo out; echo err >&2; exit 7"});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_EQ(result->exit_status, 7);
  EXPECT_FALSE(result->ok());
}

TEST(CommandTest, ReportsTheSignalThatEndedIt) {
  auto result = run_command({"sh", "-c", "kill -TERM $$"});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->signal, SIGTERM);
}

TEST(CommandTest, MissingProgramIsAnErrorThatNamesIt) {
  auto result = run_command({"no-such-program-here"});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("no-such-program-here"), std::string::npos);
}

TEST(CommandTest, TimeoutKillsTheWholeGroup) {
  // The grandchild holds the pipe open: only its death lets the call return.
  auto result = run_command({"sh", "-c", "sleep 1000 & echo $!; wait"},
                            {.timeout = std::chrono::milliseconds(200)});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::environment);
}

TEST(CommandTest, StopRequestInterrupts) {
  std::stop_source source;
  source.request_stop();
  auto result = run_command({"sleep", "1000"}, {.stop = source.get_token()});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::interrupted);
}

TEST(CommandTest, DiesWithItsParent) {
  // What the command holds open until its end; end of file means that it is gone.
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    const auto path =
        "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(write_end.get());
    (void)run_command({"sh", "-c", "exec >" + path + "; echo ready; exec sleep 600"});
    _exit(1);
  }
  write_end.reset();
  char buffer[6];
  ASSERT_EQ(read(read_end.get(), buffer, sizeof buffer), 6);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_EQ(read(read_end.get(), buffer, sizeof buffer), 0);
}

TEST(CommandTest, OutputIsBounded) {
  auto result = run_command({"sh", "-c", "head -c 1000000 /dev/zero"}, {.max_output = 1000});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out.size(), 1000u);
  EXPECT_TRUE(result->truncated);
}

TEST(CommandTest, EnvironmentAndDirectoryReachTheCommand) {
  auto result = run_command({"sh", "-c", "echo $KTRIAL_TEST $LC_ALL; pwd"},
                            {.directory = "/", .environment = {{"KTRIAL_TEST", "x"}}});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out, "x C\n/\n");
}

}  // namespace
}  // namespace ktrial
