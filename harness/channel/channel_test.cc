#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "guest/wire/wire.h"
#include "harness/base/file.h"
#include "harness/base/unix_socket.h"
#include "harness/channel/listening.h"
#include "harness/channel/make_channel.h"
#include "harness/vm/fake_vm.h"

namespace ktrial::channel {
namespace {
using namespace std::chrono_literals;

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    EXPECT_TRUE(vm.start([](const vm::VmEvent&) {}));
  }
  Channel::Handlers handlers() {
    return {[this](StreamId id, std::string_view bytes) {
              (id == StreamId::control ? control : beat) += bytes;
            },
            [this](std::string reason) { lost = std::move(reason); }};
  }
  // Runs the loop until `done` or half a minute.
  void run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!done() && std::chrono::steady_clock::now() < deadline) {
      if (io.stopped()) io.restart();
      io.run_one_for(50ms);
    }
    EXPECT_TRUE(done());
  }
  boost::asio::io_context io;
  Result<TempDir> scratch = TempDir::create();
  FakeClock clock;
  vm::FakeVm vm{clock};
  std::string control, beat, lost;
};

TEST_F(ChannelTest, VirtioSerialCarriesBothStreams) {
  auto made = make_channel(io, Kind::virtio_serial, scratch->path());
  ASSERT_TRUE(made);
  auto& channel = **made;
  channel.send("before");  // kept until the stream is there
  ASSERT_TRUE(channel.attach(vm, handlers()));
  channel.send(" after");
  ASSERT_TRUE(write_all(vm.guest_ends[wire::kControlName].get(), "to control"));
  ASSERT_TRUE(write_all(vm.guest_ends[wire::kBeatName].get(), "to beat"));
  run_until([&] { return control == "to control" && beat == "to beat"; });
  char buffer[12];
  EXPECT_EQ(recv(vm.guest_ends[wire::kControlName].get(), buffer, 12, MSG_WAITALL), 12);
  EXPECT_EQ(std::string(buffer, 12), "before after");
  EXPECT_FALSE(channel.dial_guest(1));
  vm.guest_ends.clear();
  run_until([&] { return !lost.empty(); });
}

TEST_F(ChannelTest, VhostVsockIsRefusedWithAReasonWhereItIsMissing) {
  if (::access("/dev/vhost-vsock", R_OK | W_OK) == 0) GTEST_SKIP() << "this host has vhost-vsock";
  auto made = make_channel(io, Kind::vhost_vsock, scratch->path());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::environment);
  EXPECT_NE(made.error().message.find("/dev/vhost-vsock"), std::string::npos);
  EXPECT_FALSE(made.error().hint.empty());
}

TEST_F(ChannelTest, AMissingDaemonIsRefusedWithAReason) {
  const std::string path = ::getenv("PATH");
  ::setenv("PATH", "/nonexistent", 1);
  auto error = why_unusable(Kind::vhost_user_vsock);
  ::setenv("PATH", path.c_str(), 1);
  ASSERT_TRUE(error);
  EXPECT_NE(error->message.find("vhost-device-vsock"), std::string::npos);
}

class VhostUserTest : public ChannelTest {
 protected:
  void SetUp() override {
    if (auto error = why_unusable(Kind::vhost_user_vsock)) GTEST_SKIP() << error->message;
  }
  // What the daemon does when the guest connects to a host port.
  Fd connect_as_guest(std::uint32_t port) {
    auto fd = connect_unix(scratch->path() / ("vsock_" + std::to_string(port)));
    EXPECT_TRUE(fd);
    return fd ? std::move(*fd) : Fd();
  }
};

TEST_F(VhostUserTest, AcceptsTheAgentOnBothPorts) {
  auto made = make_channel(io, Kind::vhost_user_vsock, scratch->path());
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE((*made)->attach(vm, handlers()));
  Fd first = connect_as_guest(wire::kControlPort), second = connect_as_guest(wire::kBeatPort);
  ASSERT_TRUE(write_all(first.get(), "c"));
  ASSERT_TRUE(write_all(second.get(), "b"));
  run_until([&] { return control == "c" && beat == "b"; });
}

TEST_F(VhostUserTest, ManyAtOnceAndNoneLeftBehind) {
  std::vector<std::unique_ptr<Channel>> channels;
  std::vector<std::filesystem::path> sockets;
  for (int i = 0; i < 8; ++i) {
    const auto folder = scratch->path() / std::to_string(i);
    std::filesystem::create_directory(folder);
    auto made = make_channel(io, Kind::vhost_user_vsock, folder);
    ASSERT_TRUE(made) << made.error().message;
    channels.push_back(std::move(*made));
    sockets.push_back(std::get<vm::VhostUserVsockDevice>(channels.back()->device()).socket);
    EXPECT_TRUE(std::filesystem::exists(sockets.back()));
    sockets.push_back(folder / "daemon.sock");  // behind the gate
    EXPECT_TRUE(std::filesystem::exists(sockets.back()));
  }
  channels.clear();
  // The daemons are gone: nobody listens any more.
  for (const auto& path : sockets) EXPECT_FALSE(connect_unix(path)) << path;
}

TEST(VsockDaemonTest, TheVersionsThatLoseLargeWritesAreKnown) {
  for (const char* bad : {"vhost-device-vsock 0.3.0", "vhost-device-vsock 0.2.1", "0.1.0"})
    EXPECT_TRUE(vsock_daemon_loses_large_writes(bad)) << bad;
  for (const char* unknown : {"vhost-device-vsock 0.4.0", "vhost-device-vsock 1.0.0", "", "x", "0"})
    EXPECT_FALSE(vsock_daemon_loses_large_writes(unknown)) << unknown;
}

TEST(ListeningTest, ASocketThatIsBoundDoesNotListenYet) {
  const std::string head = "Num       RefCount Protocol Flags    Type St Inode Path\n";
  const std::string row = "0000000000000000: 00000002 00000000 ";
  const std::string bound = head + row + "00000000 0001 01    17 /tmp/x/vhost\n";
  const std::string listening = head + row + "00010000 0001 01 17654 /tmp/x/vhost\n";
  EXPECT_FALSE(listens_in(bound, "/tmp/x/vhost"));
  EXPECT_TRUE(listens_in(listening, "/tmp/x/vhost"));
  EXPECT_FALSE(listens_in(listening, "/x/vhost")) << "another path that ends so";
  EXPECT_FALSE(listens_in(listening, "/tmp/x/vhost2"));
  EXPECT_FALSE(listens_in(head, "/tmp/x/vhost"));
  EXPECT_FALSE(listens_in("/tmp/x/vhost", "/tmp/x/vhost"));
}

// A guest's QEMU was refused when it connected between the daemon's bind() and listen().
TEST(ListeningTest, TheKernelTellsWhetherItMayBeConnected) {
  const auto folder = TempDir::create();
  ASSERT_TRUE(folder);
  const auto path = folder->path() / "s";
  EXPECT_FALSE(listens(path));
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_FALSE(listens(path));
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_TRUE(listens(path));
}

}  // namespace
}  // namespace ktrial::channel
