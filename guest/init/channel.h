// The guest's ends of the two streams (guest/wire/wire.h says why two).
#pragma once

#include <cstdint>
#include <string>

#include "guest/wire/wire.h"

namespace ktrial::init {

struct ChannelOptions {
  bool vsock = false;  // else virtio-serial
  std::uint32_t control_port = wire::kControlPort;
  std::uint32_t beat_port = wire::kBeatPort;
};
// From ktrial.channel=, ktrial.control_port= and ktrial.beat_port= on the
// kernel command line. Anything but `vsock` means virtio-serial.
ChannelOptions channel_options(const std::string& command_line);

// Both descriptors are non-blocking and close-on-exec; they live as long as the agent.
struct Channel {
  int control = -1;
  int beat = -1;
  std::string problem;  // empty if both are open, else what failed last
};
// Devices appear asynchronously: tries again every millisecond until `deadline_ns`
// (CLOCK_MONOTONIC).
Channel open_channel(const ChannelOptions& options, std::uint64_t deadline_ns);

}  // namespace ktrial::init
