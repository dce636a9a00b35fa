#include "harness/interactive/terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ktrial::interactive {
namespace {

TEST(TerminalTest, TheEscapeEndsWhatIsTyped) {
  bool left = false;
  EXPECT_EQ(before_escape("ls\r", left), "ls\r");
  EXPECT_FALSE(left);
  EXPECT_EQ(before_escape("ls\x1drm", left), "ls");
  EXPECT_TRUE(left);
}

TEST(TerminalTest, TheShellsStatusIsALine) {
  EXPECT_EQ(exit_status("exit 7\n"), 7);
  EXPECT_EQ(exit_status("noise\nexit 0\n"), 0);
  EXPECT_EQ(exit_status("exit seven\n"), std::nullopt);
  EXPECT_EQ(exit_status(""), std::nullopt);
}

TEST(TerminalTest, RawWhileItLasts) {
  int master = -1, slave = -1;
  ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const auto echoes = [&] {
    termios now{};
    tcgetattr(slave, &now);
    return (now.c_lflag & (ECHO | ICANON | ISIG)) != 0;
  };
  EXPECT_TRUE(echoes());
  {
    const RawTerminal raw(slave);
    EXPECT_FALSE(echoes());
  }
  EXPECT_TRUE(echoes());
  close(master);
  close(slave);
}

TEST(TerminalTest, ALineTellsItsSizeAndHearsTheStatus) {
  boost::asio::io_context io;
  int bytes[2], control[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, bytes), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, control), 0);
  const Fd guest_bytes(bytes[1]), guest_control(control[1]);
  Line line(io, Fd(bytes[0]), Fd(control[0]), {[] {}, [] {}});
  char told[64] = {};
  ASSERT_GT(read(guest_control.get(), told, sizeof told - 1), 0);
  int rows = 0, columns = 0;
  EXPECT_EQ(sscanf(told, "%d %d", &rows, &columns), 2);
  EXPECT_GT(rows, 0);
  ASSERT_EQ(write(guest_control.get(), "exit 7\n", 7), 7);
  while (!line.exit()) io.run_one();
  EXPECT_EQ(line.exit(), 7);
}

}  // namespace
}  // namespace ktrial::interactive
