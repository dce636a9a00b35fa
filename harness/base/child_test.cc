#include "harness/base/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "harness/base/file.h"
#include "harness/base/janitor.h"

namespace ktrial {
namespace {
using namespace std::chrono_literals;

Child::Options shell(const std::string& script) {
  return {.program = "/bin/sh", .arguments = {"-c", script}, .inherit = {}};
}

// Reads from a pipe until its end: proof that every holder of it is gone.
std::string read_to_end(int fd) {
  std::string out;
  char buffer[256];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) out.append(buffer, n);
  return out;
}

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  Fd read_end, write_end;
};

TEST(ChildTest, ReportsExitStatusAndSignal) {
  boost::asio::io_context io;
  for (auto [script, text] : {std::pair("exit 3", "exited with status 3"),
                              std::pair("kill -TERM $$", "was killed by SIGTERM")}) {
    auto child = Child::start(io, shell(script));
    ASSERT_TRUE(child) << child.error().message;
    std::optional<ExitStatus> status;
    child->on_exit([&](ExitStatus s) { status = s; });
    io.restart();
    io.run_for(30s);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->text(), text);
  }
}

// Asio makes the descriptor of a child that is listened to non-blocking.
TEST(ChildTest, WaitsForOneThatIsListenedToAndLeavesNoZombie) {
  boost::asio::io_context io;
  {
    auto child = Child::start(io, shell("sleep 0.1; exit 3"));
    ASSERT_TRUE(child);
    child->on_exit([](ExitStatus) {});
    EXPECT_EQ(child->wait().text(), "exited with status 3");
  }
  for (int i = 0; i < 20; ++i) {
    auto child = Child::start(io, shell("sleep 600"));
    ASSERT_TRUE(child);
    child->on_exit([](ExitStatus) {});
    child->kill();
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child was not reaped";
  EXPECT_EQ(errno, ECHILD);
}

TEST(ChildTest, MissingProgramIsAnError) {
  boost::asio::io_context io;
  auto child =
      Child::start(io, {.program = "/nonexistent/program", .arguments = {}, .inherit = {}});
  ASSERT_FALSE(child);
  EXPECT_NE(child.error().message.find("/nonexistent/program"), std::string::npos);
}

TEST(ChildTest, KillsGroupOnDestruction) {
  boost::asio::io_context io;
  Pipe pipe;
  {
    Child::Options options = shell("sleep 600 & echo ready; wait");
    options.standard_output = pipe.write_end.get();
    auto child = Child::start(io, options);
    ASSERT_TRUE(child);
    pipe.write_end.reset();
    char buffer[6];
    ASSERT_EQ(read(pipe.read_end.get(), buffer, 6), 6);
  }
  // The grandchild held the pipe too: end of file means that both are gone.
  EXPECT_EQ(read_to_end(pipe.read_end.get()), "");
}

TEST(ChildTest, InheritsOnlyWhatIsNamed) {
  boost::asio::io_context io;
  Pipe named, other, out;
  Child::Options options = shell("ls /proc/self/fd");
  options.inherit = {named.read_end.get()};
  options.standard_output = out.write_end.get();
  auto child = Child::start(io, options);
  ASSERT_TRUE(child);
  out.write_end.reset();
  std::string listing = "\n" + read_to_end(out.read_end.get());
  auto has = [&](int fd) { return listing.find("\n" + std::to_string(fd) + "\n") != listing.npos; };
  EXPECT_TRUE(has(named.read_end.get())) << listing;
  EXPECT_FALSE(has(other.read_end.get())) << listing;
  EXPECT_FALSE(has(other.write_end.get())) << listing;
}

TEST(ChildTest, DiesWithItsParent) {
  Pipe pipe;
  pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    boost::asio::io_context io;
    Child::Options options = shell("echo ready; exec sleep 600");
    options.standard_output = pipe.write_end.get();
    auto child = Child::start(io, options);
    pause();
    _exit(1);
  }
  pipe.write_end.reset();
  char buffer[6];
  ASSERT_EQ(read(pipe.read_end.get(), buffer, 6), 6);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_EQ(read_to_end(pipe.read_end.get()), "");
}

TEST(JanitorTest, RemovesWatchedDirectoriesOfAKilledProcess) {
  auto outer = TempDir::create();
  ASSERT_TRUE(outer);
  const auto watched = outer->path() / "watched", forgotten = outer->path() / "forgotten";
  std::filesystem::create_directories(watched / "below");
  std::filesystem::create_directories(forgotten);
  Pipe pipe;
  pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    auto janitor = Janitor::start();
    janitor->watch(watched);
    janitor->watch(forgotten);
    janitor->forget(forgotten);
    kill(getpid(), SIGKILL);
  }
  waitpid(pid, nullptr, 0);
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (std::filesystem::exists(watched) && std::chrono::steady_clock::now() < deadline)
    usleep(1000);
  EXPECT_FALSE(std::filesystem::exists(watched));
  EXPECT_TRUE(std::filesystem::exists(forgotten));
}

TEST(FindProgramTest, SearchesPathAndTakesPathsAsTheyAre) {
  EXPECT_TRUE(find_program("sh"));
  EXPECT_TRUE(find_program("/bin/sh"));
  EXPECT_FALSE(find_program("no-such-program-anywhere"));
  EXPECT_FALSE(find_program("/etc/passwd"));
}

}  // namespace
}  // namespace ktrial
