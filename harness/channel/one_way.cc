#include "harness/channel/one_way.h"

namespace ktrial::channel {
namespace {

class OneWay final : public Channel {
 public:
  explicit OneWay(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}

  Kind kind() const override { return channel_->kind(); }
  vm::ChannelDevice device() const override { return channel_->device(); }
  std::string guest_arguments() const override { return channel_->guest_arguments(); }
  Status attach(vm::Vm& vm, Handlers handlers) override {
    return channel_->attach(vm, std::move(handlers));
  }
  void send(std::string) override {}
  Result<Dial> dial_guest(std::uint32_t) override {
    return fail(ErrorKind::internal, "nobody speaks to a deterministic guest");
  }

 private:
  std::unique_ptr<Channel> channel_;
};

}  // namespace

std::unique_ptr<Channel> one_way(std::unique_ptr<Channel> channel) {
  return std::make_unique<OneWay>(std::move(channel));
}

}  // namespace ktrial::channel
