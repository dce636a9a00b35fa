// A channel whose guest's end is in the hands of a test.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "guest/wire/wire.h"
#include "harness/channel/channel.h"

namespace ktrial::channel {

class FakeChannel final : public Channel {
 public:
  // `on_message`: what the harness says to the agent.
  explicit FakeChannel(std::function<void(const wire::Message&)> on_message)
      : on_message_(std::move(on_message)) {}

  Kind kind() const override { return Kind::virtio_serial; }
  vm::ChannelDevice device() const override { return vm::NoChannelDevice{}; }
  std::string guest_arguments() const override { return "ktrial.channel=fake"; }
  Status attach(vm::Vm&, Handlers handlers) override {
    handlers_ = std::move(handlers);
    return {};
  }
  void send(std::string bytes) override {
    decoder_.feed(bytes);
    while (const auto message = decoder_.next()) on_message_(*message);
  }
  Result<Dial> dial_guest(std::uint32_t) override {
    return fail(ErrorKind::environment, "a scripted guest has no vsock");
  }

  // The guest's side.
  void say(const wire::Message& message) {
    say_bytes(std::holds_alternative<wire::Beat>(message) ? StreamId::beat : StreamId::control,
              wire::encode(message));
  }
  void say_bytes(StreamId stream, std::string_view bytes) {
    if (handlers_.on_bytes) handlers_.on_bytes(stream, bytes);
  }
  void lose(std::string reason) {
    if (handlers_.on_lost) handlers_.on_lost(std::move(reason));
  }

 private:
  std::function<void(const wire::Message&)> on_message_;
  Handlers handlers_;
  wire::Decoder decoder_;
};

}  // namespace ktrial::channel
