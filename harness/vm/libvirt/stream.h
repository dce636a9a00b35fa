// Byte streams that libvirt carries: a console, a virtio-serial channel. They reach a
// guest on another host, too.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "harness/base/fd.h"
#include "harness/vm/libvirt/connection.h"

namespace ktrial::vm {

// A non-blocking virStream that was opened (virDomainOpenConsole, virDomainOpenChannel).
class LibvirtStream {
 public:
  struct Handlers {
    std::function<void(std::string_view)> on_bytes;
    std::function<void()> on_writable;  // asked for by want_write()
    std::function<void()> on_end;       // the far side closed or failed; nothing follows
  };
  explicit LibvirtStream(StreamHandle stream) : stream_(std::move(stream)) {}
  LibvirtStream(const LibvirtStream&) = delete;
  LibvirtStream& operator=(const LibvirtStream&) = delete;
  ~LibvirtStream() { end(); }

  Status run(Handlers handlers);
  void want(bool read, bool write);
  // How much of `bytes` was taken: 0 if none now, -1 if the stream failed.
  int send(std::string_view bytes);

 private:
  static void on_event(virStreamPtr stream, int events, void* self);
  void receive();
  void end();

  StreamHandle stream_;
  Handlers handlers_;
  bool watched_ = false;
  bool reading_ = true;
};

// A stream socket whose other end is a stream of libvirt's.
class LibvirtPort {
 public:
  LibvirtPort(boost::asio::io_context& io, StreamHandle stream)
      : socket_(io), stream_(std::move(stream)) {}
  // The end to hand out.
  Result<Fd> run();

 private:
  void to_socket(std::string_view bytes);
  void from_socket();
  void forward();
  void update() { stream_.want(!writing_, !outbound_.empty()); }
  void close();

  boost::asio::local::stream_protocol::socket socket_;
  LibvirtStream stream_;
  std::string inbound_, outbound_;  // to the socket, to the stream: what is under way
  bool writing_ = false;            // inbound_, to the socket
  std::array<char, 65536> buffer_;
  // Outstanding waits of a port that is gone find this expired.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ktrial::vm
