// virtio-serial: two named ports. Works wherever QEMU works; no vsock in it.
#include "guest/wire/wire.h"
#include "harness/channel/streams.h"

namespace ktrial::channel {
namespace {

class VirtioSerial final : public Channel {
 public:
  explicit VirtioSerial(boost::asio::io_context& io) : streams_(std::make_shared<Streams>(io)) {}
  ~VirtioSerial() override { streams_->close(); }

  Kind kind() const override { return Kind::virtio_serial; }
  vm::ChannelDevice device() const override {
    return vm::VirtioSerialPorts{{wire::kControlName, wire::kBeatName}};
  }
  std::string guest_arguments() const override { return "ktrial.channel=virtio-serial"; }
  Status attach(vm::Vm& vm, Handlers handlers) override {
    streams_->set_handlers(std::move(handlers));
    Fd control = KTRIAL_TRY(vm.take_port(wire::kControlName));
    Fd beat = KTRIAL_TRY(vm.take_port(wire::kBeatName));
    streams_->open(StreamId::control, std::move(control));
    streams_->open(StreamId::beat, std::move(beat));
    return {};
  }
  void send(std::string bytes) override { streams_->send(std::move(bytes)); }
  Result<Dial> dial_guest(std::uint32_t) override {
    return fail(ErrorKind::environment, "the virtio-serial channel carries no vsock",
                "use --channel vhost-user-vsock or vhost-vsock");
  }

 private:
  std::shared_ptr<Streams> streams_;
};

}  // namespace

std::unique_ptr<Channel> make_virtio_serial(boost::asio::io_context& io) {
  return std::make_unique<VirtioSerial>(io);
}

}  // namespace ktrial::channel
