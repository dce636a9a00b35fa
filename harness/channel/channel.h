// Byte streams to the guest agent, whatever carries them.
//
// Three kinds stand behind one interface. A channel is prepared before the VM
// starts (it names the device that the VM needs), attached after, and then
// delivers bytes of two streams (guest/wire/wire.h says why two).
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "harness/base/fd.h"
#include "harness/base/result.h"
#include "harness/vm/vm.h"

namespace ktrial::channel {

enum class Kind { vhost_vsock, vhost_user_vsock, virtio_serial };
const char* name(Kind kind);

// The guest modules a kind needs, to be closed over their dependencies.
std::vector<std::string> guest_modules(Kind kind);

// Nothing if this host can carry `kind`, else why not and how to mend it.
std::optional<Error> why_unusable(Kind kind);

// What `vhost-device-vsock --version` says, e.g. "vhost-device-vsock 0.3.0"; empty if nothing.
std::string vsock_daemon_version();
// Whether that version loses a stream for good on which a guest writes much at once. Kernels from
// 6.17 on, and stable ones since (6.12.117 was seen), spread a write of more than some 28 KiB over
// several descriptors, of which the daemon takes the first. Seen with 0.3.0; 16 KiB always pass,
// and what the host writes passes in any size.
bool vsock_daemon_loses_large_writes(std::string_view version);

enum class StreamId { control, beat };

// A connection to the guest under way: a non-blocking stream socket. Where the
// carrier answers first, its line ("OK <n>\n") comes before the guest's bytes.
struct Dial {
  Fd fd;
  bool carrier_answers = false;
};

class Channel {
 public:
  struct Handlers {
    std::function<void(StreamId, std::string_view)> on_bytes;
    // A stream or what carries it (the device daemon) is gone for good.
    std::function<void(std::string reason)> on_lost;
  };
  virtual ~Channel() = default;

  virtual Kind kind() const = 0;
  virtual vm::ChannelDevice device() const = 0;
  // What the agent must find on the kernel command line.
  virtual std::string guest_arguments() const = 0;
  // Starts delivery; call once the VM was started.
  virtual Status attach(vm::Vm& vm, Handlers handlers) = 0;
  // Queues bytes for the control stream.
  virtual void send(std::string bytes) = 0;
  // Begins a connection to a vsock port in the guest; an error where the kind
  // has no vsock. Never blocks: a refusal shows as end of file.
  virtual Result<Dial> dial_guest(std::uint32_t port) = 0;
};

}  // namespace ktrial::channel
