#include "harness/vm/libvirt/stream.h"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>

namespace ktrial::vm {
namespace asio = boost::asio;

namespace {
constexpr int kAgain = -2;         // of virStreamRecv and virStreamSend: not now
constexpr int kChunksAtOnce = 16;  // then others on the event loop have their turn
}  // namespace

Status LibvirtStream::run(Handlers handlers) {
  handlers_ = std::move(handlers);
  if (virStreamEventAddCallback(stream_.get(), VIR_STREAM_EVENT_READABLE, on_event, this, nullptr) <
      0)
    return fail(ErrorKind::environment, "libvirt cannot watch a stream");
  watched_ = true;
  return {};
}

void LibvirtStream::want(bool read, bool write) {
  if (!watched_) return;
  reading_ = read;
  const int events =
      (read ? VIR_STREAM_EVENT_READABLE : 0) | (write ? VIR_STREAM_EVENT_WRITABLE : 0);
  virStreamEventUpdateCallback(stream_.get(), events);
}

int LibvirtStream::send(std::string_view bytes) {
  if (!watched_) return -1;
  const int taken = virStreamSend(stream_.get(), bytes.data(), bytes.size());
  return taken == kAgain ? 0 : taken;
}

void LibvirtStream::on_event(virStreamPtr, int events, void* opaque) {
  auto* self = static_cast<LibvirtStream*>(opaque);
  if ((events & VIR_STREAM_EVENT_WRITABLE) != 0 && self->handlers_.on_writable)
    self->handlers_.on_writable();
  if (!self->watched_) return;
  // What came before a hangup is still to be read.
  if (self->reading_ && (events & ~VIR_STREAM_EVENT_WRITABLE) != 0) self->receive();
}

void LibvirtStream::receive() {
  std::array<char, 65536> buffer;
  for (int i = 0; i < kChunksAtOnce && watched_ && reading_; ++i) {
    const int size = virStreamRecv(stream_.get(), buffer.data(), buffer.size());
    if (size == kAgain) return;
    if (size <= 0) {
      end();
      if (handlers_.on_end) handlers_.on_end();
      return;
    }
    handlers_.on_bytes({buffer.data(), static_cast<std::size_t>(size)});
  }
}

void LibvirtStream::end() {
  if (watched_) {
    watched_ = false;
    virStreamEventRemoveCallback(stream_.get());
    virStreamAbort(stream_.get());
  }
}

Result<Fd> LibvirtPort::run() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("socketpair", errno);
  Fd theirs(ends[1]);
  socket_.assign(asio::local::stream_protocol(), ends[0]);
  KTRIAL_TRY(stream_.run({.on_bytes = [this](std::string_view bytes) { to_socket(bytes); },
                          .on_writable = [this] { forward(); },
                          .on_end = [this] { close(); }}));
  from_socket();
  return theirs;
}

// One piece at a time: the stream waits until it is written.
void LibvirtPort::to_socket(std::string_view bytes) {
  inbound_ = bytes;
  writing_ = true;
  update();
  asio::async_write(socket_, asio::buffer(inbound_),
                    [this, alive = std::weak_ptr(alive_)](auto error, std::size_t) {
                      if (alive.expired()) return;
                      if (error) return close();
                      writing_ = false;
                      update();
                    });
}

void LibvirtPort::from_socket() {
  socket_.async_read_some(asio::buffer(buffer_),
                          [this, alive = std::weak_ptr(alive_)](auto error, std::size_t size) {
                            if (alive.expired()) return;
                            if (error) return close();
                            outbound_.append(buffer_.data(), size);
                            forward();
                          });
}

void LibvirtPort::forward() {
  if (outbound_.empty()) return;
  const int taken = stream_.send(outbound_);
  if (taken < 0) return close();
  outbound_.erase(0, static_cast<std::size_t>(taken));
  update();
  if (outbound_.empty()) from_socket();
}

void LibvirtPort::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace ktrial::vm
