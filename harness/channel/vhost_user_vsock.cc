// vhost-user-vsock: the device lives in vhost-device-vsock (rust-vmm), a daemon
// that we start and own, one per VM. Its host side is Firecracker-style: the
// guest's connect to CID 2, port P arrives at the unix socket UDS_P; we reach
// guest port P by writing "CONNECT P\n" to UDS and reading "OK n\n" back.
#include <sys/socket.h>

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <thread>

#include "guest/wire/wire.h"
#include "harness/base/child.h"
#include "harness/base/unix_socket.h"
#include "harness/channel/listening.h"
#include "harness/channel/ring_gate.h"
#include "harness/channel/streams.h"
#include "harness/spec/parse.h"
#include "harness/spec/timeouts.h"

namespace ktrial::channel {
namespace asio = boost::asio;
namespace fs = std::filesystem;
using unix_stream = asio::local::stream_protocol;

namespace {

class VhostUserVsock final : public Channel {
 public:
  VhostUserVsock(asio::io_context& io, const fs::path& scratch)
      : io_(io),
        device_socket_(scratch / "vhost.sock"),
        daemon_socket_(scratch / "daemon.sock"),
        host_socket_(scratch / "vsock"),
        control_listener_(io),
        beat_listener_(io),
        streams_(std::make_shared<Streams>(io)) {}
  ~VhostUserVsock() override { streams_->close(); }

  Status start();
  Kind kind() const override { return Kind::vhost_user_vsock; }
  vm::ChannelDevice device() const override { return vm::VhostUserVsockDevice{device_socket_}; }
  std::string guest_arguments() const override { return "ktrial.channel=vsock"; }
  Status attach(vm::Vm& vm, Handlers handlers) override;
  void send(std::string bytes) override { streams_->send(std::move(bytes)); }
  Result<Dial> dial_guest(std::uint32_t port) override;

 private:
  Status open_gate();
  Status listen(unix_stream::acceptor& listener, std::uint32_t port, StreamId id);

  asio::io_context& io_;
  const fs::path device_socket_, daemon_socket_, host_socket_;
  unix_stream::acceptor control_listener_, beat_listener_;
  std::shared_ptr<Streams> streams_;
  std::optional<Child> daemon_;     // dies before the sockets go
  std::unique_ptr<RingGate> gate_;  // between QEMU and the daemon
};

Status VhostUserVsock::listen(unix_stream::acceptor& listener, std::uint32_t port, StreamId id) {
  boost::system::error_code error;
  const std::string path = host_socket_.string() + "_" + std::to_string(port);
  listener.open(unix_stream(), error);
  if (!error) listener.bind(unix_stream::endpoint(path), error);
  if (!error) listener.listen(4, error);
  if (error) return fail(ErrorKind::environment, "listen on " + path + ": " + error.message());
  listener.async_accept(
      [streams = streams_, id](const boost::system::error_code& failed, unix_stream::socket peer) {
        if (failed) return;
        boost::system::error_code released;
        streams->open(id, Fd(peer.release(released)));
      });
  return {};
}

Status VhostUserVsock::start() {
  KTRIAL_TRY(listen(control_listener_, wire::kControlPort, StreamId::control));
  KTRIAL_TRY(listen(beat_listener_, wire::kBeatPort, StreamId::beat));
  auto program = find_program("vhost-device-vsock");
  if (!program) return fail(ErrorKind::environment, "vhost-device-vsock vanished from PATH");
  daemon_.emplace(KTRIAL_TRY(Child::start(
      io_, {.program = *program,
            .arguments = {"--guest-cid", std::to_string(random_cid()), "--socket",
                          daemon_socket_.string(), "--uds-path", host_socket_.string()},
            .inherit = {}})));
  // The daemon says nothing when it listens, and a trial connection would be
  // taken for QEMU's: the kernel's list of sockets is the only sign.
  const auto patience = spec::host_wait(spec::HostWait::vsock_daemon_start);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!listens(daemon_socket_)) {
    if (auto status = daemon_->poll())
      return fail(ErrorKind::environment, "vhost-device-vsock " + status->text());
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::environment,
                  "vhost-device-vsock does not listen after " + spec::format_duration(patience));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return open_gate();
}

Status VhostUserVsock::open_gate() {
  gate_ = KTRIAL_TRY(RingGate::open(
      {.front = device_socket_, .back = daemon_socket_, .daemon = daemon_->pid()},
      [&io = io_, streams = std::weak_ptr(streams_)] {
        asio::post(io, [streams] {
          if (const auto alive = streams.lock())
            alive->lose("the channel daemon vhost-device-vsock has lost its thread vring_worker");
        });
      }));
  return {};
}

Status VhostUserVsock::attach(vm::Vm&, Handlers handlers) {
  streams_->set_handlers(std::move(handlers));
  daemon_->on_exit([streams = streams_](ExitStatus status) {
    streams->lose("the channel daemon vhost-device-vsock " + status.text());
  });
  return {};
}

Result<Dial> VhostUserVsock::dial_guest(std::uint32_t port) {
  Fd fd = KTRIAL_TRY(connect_unix(host_socket_, SOCK_NONBLOCK));
  const std::string request = "CONNECT " + std::to_string(port) + "\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
    return fail_errno("connect to guest port " + std::to_string(port), errno);
  return Dial{std::move(fd), true};
}

}  // namespace

Result<std::unique_ptr<Channel>> make_vhost_user_vsock(asio::io_context& io,
                                                       const fs::path& scratch) {
  auto channel = std::make_unique<VhostUserVsock>(io, scratch);
  KTRIAL_TRY(channel->start());
  return channel;
}

}  // namespace ktrial::channel
