#include "harness/interactive/sessions.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <thread>

#include "harness/base/file.h"
#include "harness/interactive/foreground.h"
#include "harness/interactive/gdb.h"

namespace ktrial::interactive {
namespace {

// Sessions of an owner in a thread; the guest's ends are here.
class SessionsTest : public testing::Test {
 protected:
  SessionsTest() : folder_(*TempDir::create()) {
    std::vector<SessionPorts> ports;
    for (auto& ends : guest_) {
      int bytes[2], control[2];
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, bytes), 0);
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, control), 0);
      ends = {Fd(bytes[1]), Fd(control[1])};
      ports.push_back({Fd(bytes[0]), Fd(control[0])});
    }
    auto opened = Sessions::open(io_, folder_.path(), std::move(ports));
    EXPECT_TRUE(opened);
    if (opened) sessions_ = *std::move(opened);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~SessionsTest() override {
    io_.stop();
    thread_.join();
  }
  // The next one that is lent, while the other is in use: that somebody went is heard of in time.
  Lent borrow_next() {
    for (;;)
      if (auto lent = borrow_session(folder_.path())) return *std::move(lent);
  }
  TempDir folder_;
  SessionPorts guest_[2];
  boost::asio::io_context io_;
  std::unique_ptr<Sessions> sessions_;
  std::thread thread_;
};

TEST_F(SessionsTest, EachUserHasPortsOfHisOwn) {
  const auto one = borrow_session(folder_.path()), two = borrow_session(folder_.path());
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->number, 1);
  EXPECT_EQ(two->number, 2);
  EXPECT_FALSE(one->again || two->again);
  ASSERT_EQ(write(two->ports.bytes.get(), "ls\n", 3), 3);
  char got[8] = {};
  EXPECT_EQ(read(guest_[1].bytes.get(), got, sizeof got), 3);
  const auto three = borrow_session(folder_.path());
  ASSERT_FALSE(three);
  EXPECT_NE(three.error().message.find("all its sessions are in use"), std::string::npos);
}

TEST_F(SessionsTest, WhatWasLeftIsLentAgain) {
  auto left = borrow_session(folder_.path());
  const auto other = borrow_session(folder_.path());
  ASSERT_TRUE(left && other);
  left->connection.reset();
  const Lent back = borrow_next();
  EXPECT_EQ(back.number, 1);
  EXPECT_TRUE(back.again);
}

TEST_F(SessionsTest, WhatHasEndedIsNew) {
  auto ended = borrow_session(folder_.path());
  const auto other = borrow_session(folder_.path());
  ASSERT_TRUE(ended && other);
  give_back(*ended);
  ended->connection.reset();
  const Lent next = borrow_next();
  EXPECT_EQ(next.number, 1);
  EXPECT_FALSE(next.again);
}

TEST_F(SessionsTest, WithoutAnOwnerThereIsNone) {
  const TempDir empty = *TempDir::create();
  const auto none = borrow_session(empty.path());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::usage);
  EXPECT_NE(none.error().message.find("no shell that runs now"), std::string::npos);
}

TEST(ForegroundTest, TheStatusComesBackAndTheLoopIsServed) {
  boost::asio::io_context io;
  bool served = false;
  boost::asio::post(io, [&] { served = true; });
  EXPECT_EQ(*run_in_foreground(io, "/bin/sh", {"-c", "exit 7"}), 7);
  EXPECT_TRUE(served);
  EXPECT_EQ(*run_in_foreground(io, "/bin/sh", {"-c", "kill -KILL $$"}), 128 + 9);
  EXPECT_FALSE(run_in_foreground(io, "/no/such", {}));
}

TEST(GdbTest, LeavingNeverLetsTheGuestRun) {
  const std::string script = gdb_script("/s/gdb.sock", 3);
  EXPECT_NE(script.find("target remote /s/gdb.sock\n"), std::string::npos);
  EXPECT_NE(script.find("define hook-quit\n  disconnect\nend"), std::string::npos);
  EXPECT_NE(script.find("define detach\n  disconnect\nend"), std::string::npos);
  EXPECT_NE(script.find("define kill\n  disconnect\nend"), std::string::npos);
  EXPECT_NE(script.find("thread 4\n"), std::string::npos);
  EXPECT_EQ(gdb_script("/s", std::nullopt).find("thread"), std::string::npos);
}

}  // namespace
}  // namespace ktrial::interactive
