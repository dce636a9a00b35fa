// vhost-vsock: the device lives in the host kernel. The host end is AF_VSOCK,
// where all VMs share one port space: we listen on ports that the kernel
// picks, tell them to the agent on its command line, and accept our CID only.
#include <linux/vm_sockets.h>
#include <sys/socket.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "harness/channel/streams.h"

namespace ktrial::channel {
namespace asio = boost::asio;

namespace {

sockaddr_vm vsock_address(std::uint32_t cid, std::uint32_t port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

// Accepts one connection from `cid` as stream `id`.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(asio::io_context& io, std::uint32_t cid, StreamId id, std::shared_ptr<Streams> streams)
      : socket_(io), cid_(cid), id_(id), streams_(std::move(streams)) {}

  Status start() {
    Fd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno("socket(AF_VSOCK)", errno);
    sockaddr_vm address = vsock_address(VMADDR_CID_ANY, VMADDR_PORT_ANY);
    socklen_t size = sizeof address;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(fd.get(), 4) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      return fail_errno("listen on AF_VSOCK", errno);
    port_ = address.svm_port;
    socket_.assign(fd.release());
    wait();
    return {};
  }
  void stop() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }
  std::uint32_t port() const { return port_; }

 private:
  void wait() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](auto error) {
                         if (!error && !self->accept()) self->wait();
                       });
  }
  bool accept() {
    sockaddr_vm peer{};
    socklen_t size = sizeof peer;
    Fd fd(::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size,
                    SOCK_CLOEXEC));
    if (!fd || peer.svm_cid != cid_) return false;
    streams_->open(id_, std::move(fd));
    return true;
  }

  asio::posix::stream_descriptor socket_;
  std::uint32_t cid_, port_ = 0;
  StreamId id_;
  std::shared_ptr<Streams> streams_;
};

class VhostVsock final : public Channel {
 public:
  explicit VhostVsock(asio::io_context& io)
      : cid_(random_cid()),
        streams_(std::make_shared<Streams>(io)),
        control_(std::make_shared<Listener>(io, cid_, StreamId::control, streams_)),
        beat_(std::make_shared<Listener>(io, cid_, StreamId::beat, streams_)) {}
  ~VhostVsock() override {
    control_->stop();
    beat_->stop();
    streams_->close();
  }
  Status start() {
    KTRIAL_TRY(control_->start());
    return beat_->start();
  }
  Kind kind() const override { return Kind::vhost_vsock; }
  vm::ChannelDevice device() const override { return vm::VhostVsockDevice{cid_}; }
  std::string guest_arguments() const override {
    return "ktrial.channel=vsock ktrial.control_port=" + std::to_string(control_->port()) +
           " ktrial.beat_port=" + std::to_string(beat_->port());
  }
  Status attach(vm::Vm&, Handlers handlers) override {
    streams_->set_handlers(std::move(handlers));
    return {};
  }
  void send(std::string bytes) override { streams_->send(std::move(bytes)); }
  Result<Dial> dial_guest(std::uint32_t port) override {
    Fd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno("socket(AF_VSOCK)", errno);
    sockaddr_vm address = vsock_address(cid_, port);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS)
      return fail_errno("connect to guest port " + std::to_string(port), errno);
    return Dial{std::move(fd), false};
  }

 private:
  std::uint32_t cid_;
  std::shared_ptr<Streams> streams_;
  std::shared_ptr<Listener> control_, beat_;
};

}  // namespace

Result<std::unique_ptr<Channel>> make_vhost_vsock(asio::io_context& io) {
  auto channel = std::make_unique<VhostVsock>(io);
  KTRIAL_TRY(channel->start());
  return channel;
}

}  // namespace ktrial::channel
