#include "harness/trial/vsock_peer.h"

#include <fmt/format.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "harness/spec/timeouts.h"

namespace ktrial::trial {
namespace asio = boost::asio;

namespace {
constexpr std::size_t kMaxLine = 4096;
constexpr auto kRefusedPause = std::chrono::milliseconds(50);  // the guest may not listen yet
}  // namespace

struct VsockPeer::State : std::enable_shared_from_this<State> {
  State(asio::io_context& io, channel::Channel& c, std::uint32_t p)
      : timer(io), io_context(io), channel(c), port(p) {}

  void dial() {
    if (stopped) return;
    auto begun = channel.dial_guest(port);
    if (!begun) return again_after_pause();
    stream.emplace(io_context, begun->fd.release());
    inbox.clear();
    timer.expires_after(spec::host_wait(spec::HostWait::vsock_peer_line));
    timer.async_wait([self = shared_from_this()](auto error) {
      if (!error && self->stream) self->stream->cancel();
    });
    read_line(begun->carrier_answers ? 2 : 1);
  }

  // Reads `lines` lines: the carrier's answer, if any, and the guest's greeting.
  void read_line(int lines) {
    asio::async_read_until(*stream, asio::dynamic_buffer(inbox, kMaxLine), '\n',
                           [self = shared_from_this(), lines](auto error, std::size_t size) {
                             if (self->stopped) return;
                             if (error) return self->again_after_pause();
                             self->inbox.erase(0, size);
                             if (lines > 1) return self->read_line(lines - 1);
                             ++self->served;
                             self->again();
                           });
  }
  void again() {
    timer.cancel();
    stream.reset();
    asio::post(io_context, [self = shared_from_this()] { self->dial(); });
  }
  void again_after_pause() {
    ++refused;
    stream.reset();
    timer.expires_after(kRefusedPause);
    timer.async_wait([self = shared_from_this()](auto error) {
      if (!error) self->dial();
    });
  }

  asio::steady_timer timer;
  asio::io_context& io_context;
  channel::Channel& channel;
  std::uint32_t port;
  std::optional<asio::posix::stream_descriptor> stream;
  std::string inbox;
  std::uint64_t served = 0, refused = 0;
  bool stopped = false;
};

VsockPeer::VsockPeer(asio::io_context& io, channel::Channel& channel, std::uint32_t port)
    : state_(std::make_shared<State>(io, channel, port)) {
  state_->dial();
}

VsockPeer::~VsockPeer() {
  state_->stopped = true;
  state_->timer.cancel();
  state_->stream.reset();
}

std::string VsockPeer::summary() const {
  return fmt::format("{} connections served, {} refused", state_->served, state_->refused);
}

}  // namespace ktrial::trial
