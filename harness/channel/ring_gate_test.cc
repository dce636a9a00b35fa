#include "harness/channel/ring_gate.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstring>
#include <future>

#include "harness/base/file.h"
#include "harness/base/unix_socket.h"

namespace ktrial::channel {
namespace {
using namespace std::chrono_literals;

constexpr std::uint32_t kSetVringKick = 12, kGetVringBase = 11;
constexpr auto kLimit = 60s;  // what takes no time comes within

std::string message(std::uint32_t request, const std::string& payload) {
  const std::array<std::uint32_t, 3> header{request, 1, static_cast<std::uint32_t>(payload.size())};
  return std::string(reinterpret_cast<const char*>(header.data()), sizeof header) + payload;
}

void wait_for_event(int fd) {
  const int set = ::epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {}};
  ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
  while (::epoll_wait(set, &event, 1, -1) < 0) {
  }
}

struct Pipe {
  Fd read, write;
  Pipe() {
    int ends[2];
    if (::pipe(ends) == 0) read = Fd(ends[0]), write = Fd(ends[1]);
  }
  void tell() const { EXPECT_EQ(::write(write.get(), "", 1), 1); }
};

// A process with a thread of the name that the gate looks for. It works until the first word, waits
// for events until the second, and ends.
class Daemon {
 public:
  Daemon() : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    pthread_t thread;
    ::pthread_create(&thread, nullptr, &Daemon::work, this);
    while (true) ::pause();
  }
  ~Daemon() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  Pipe end_of_work, end;

 private:
  static void* work(void* self) {
    auto* own = static_cast<Daemon*>(self);
    ::pthread_setname_np(::pthread_self(), "vring_worker");
    char byte;
    (void)!::read(own->end_of_work.read.get(), &byte, 1);
    wait_for_event(own->end.read.get());
    return nullptr;
  }
  const pid_t pid_;  // last: the process has the pipes
};

class RingGateTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch);
    if (!read_file("/proc/self/syscall")) GTEST_SKIP() << "this host shows no thread's system call";
    ASSERT_TRUE(becomes(Worker::busy));
    const auto path = [this](const char* name) { return scratch->path() / name; };
    auto listening = listen_unix(path("back"), 1);
    ASSERT_TRUE(listening);
    daemon_side = std::move(*listening);
    auto opened =
        RingGate::open({.front = path("front"), .back = path("back"), .daemon = daemon.pid()},
                       [this] { lost.set_value(); });
    ASSERT_TRUE(opened) << opened.error().message;
    gate = std::move(*opened);
    auto connected = connect_unix(path("front"));
    ASSERT_TRUE(connected);
    qemu = std::move(*connected);
    back = Fd(::accept(daemon_side.get(), nullptr, nullptr));
    ASSERT_TRUE(back);
  }
  bool becomes(Worker wanted) const {
    const auto deadline = std::chrono::steady_clock::now() + kLimit;
    while (worker_of(daemon.pid()) != wanted && std::chrono::steady_clock::now() < deadline)
      ::poll(nullptr, 0, 1);
    return worker_of(daemon.pid()) == wanted;
  }
  static bool readable(int fd, std::chrono::milliseconds within) {
    pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&one, 1, static_cast<int>(within.count())) == 1;
  }
  // What came at `fd`, with its descriptors.
  static std::pair<std::string, std::vector<Fd>> received(int fd, std::size_t size) {
    std::string out(size, '\0');
    EXPECT_TRUE(readable(fd, kLimit));
    auto got = receive_with(fd, out);
    EXPECT_TRUE(got);
    out.resize(got ? got->size : 0);
    return {out, got ? std::move(got->descriptors) : std::vector<Fd>()};
  }

  Daemon daemon;
  Result<TempDir> scratch = TempDir::create();
  std::promise<void> lost;
  Fd daemon_side, qemu, back;
  std::unique_ptr<RingGate> gate;
};

TEST_F(RingGateTest, MessagesPassBothWaysWithTheirDescriptors) {
  Pipe pipe;
  const std::string kick = message(kSetVringKick, "12345678");
  const int descriptor = pipe.write.get();
  ASSERT_TRUE(send_with(qemu.get(), kick, {&descriptor, 1}));
  auto [bytes, descriptors] = received(back.get(), 100);
  EXPECT_EQ(bytes, kick);
  ASSERT_EQ(descriptors.size(), 1u);
  EXPECT_EQ(::write(descriptors[0].get(), "k", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(pipe.read.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'k');
  ASSERT_TRUE(send_with(back.get(), message(1, "answer"), {}));
  EXPECT_EQ(received(qemu.get(), 100).first, message(1, "answer"));
}

TEST_F(RingGateTest, ARingIsNotStoppedWhileTheWorkerIsAtWork) {
  const std::string stop = message(kGetVringBase, "12345678");
  ASSERT_TRUE(send_with(qemu.get(), stop, {}));
  EXPECT_FALSE(readable(back.get(), 100ms));
  daemon.end_of_work.tell();
  EXPECT_TRUE(becomes(Worker::idle));
  EXPECT_EQ(received(back.get(), 100).first, stop);
}

TEST_F(RingGateTest, AWorkerThatIsAtWorkForGoodHoldsNobodyForGood) {
  const std::string stop = message(kGetVringBase, "12345678");
  ASSERT_TRUE(send_with(qemu.get(), stop, {}));
  EXPECT_EQ(received(back.get(), 100).first, stop);
  EXPECT_EQ(worker_of(daemon.pid()), Worker::busy);
}

TEST_F(RingGateTest, ALostWorkerIsTold) {
  auto told = lost.get_future();
  ASSERT_TRUE(send_with(qemu.get(), message(kSetVringKick, ""), {}));
  EXPECT_EQ(received(back.get(), 100).first, message(kSetVringKick, ""));  // the gate is at work
  EXPECT_EQ(told.wait_for(0s), std::future_status::timeout);
  daemon.end_of_work.tell();
  daemon.end.tell();
  EXPECT_EQ(told.wait_for(kLimit), std::future_status::ready);
  EXPECT_EQ(worker_of(daemon.pid()), Worker::none);
}

TEST_F(RingGateTest, EachEndSeesThatTheOtherHasGone) {
  qemu.reset();
  EXPECT_EQ(received(back.get(), 100).first, "");
  qemu = std::move(*connect_unix(scratch->path() / "front"));  // the next one
  back = Fd(::accept(daemon_side.get(), nullptr, nullptr));
  back.reset();
  EXPECT_EQ(received(qemu.get(), 100).first, "");
}

TEST_F(RingGateTest, WhatIsNoMessageEndsTheConnection) {
  const std::array<std::uint32_t, 3> header{1, 1, 0xffffffff};
  ASSERT_TRUE(send_with(
      qemu.get(), std::string(reinterpret_cast<const char*>(header.data()), sizeof header), {}));
  EXPECT_EQ(received(qemu.get(), 100).first, "");
  EXPECT_EQ(received(back.get(), 100).first, "");
}

TEST(WorkerTest, WhatTheKernelSaysOfASystemCall) {
  const std::string arguments = " 0x9 0x7ffc 0x64 0xffffffff 0x0 0x0 0x7ffc 0x7f11\n";
  EXPECT_TRUE(waits_for_events(std::to_string(SYS_epoll_pwait) + arguments));
  EXPECT_FALSE(waits_for_events(std::to_string(SYS_futex) + arguments));
  EXPECT_FALSE(waits_for_events("running\n"));
  EXPECT_FALSE(waits_for_events("-1 0x7ffc 0x7f11\n"));
  EXPECT_FALSE(waits_for_events(""));
}

}  // namespace
}  // namespace ktrial::channel
