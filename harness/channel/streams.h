// What all channel kinds share: the two host-side streams and their pumps.
#pragma once

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <deque>

#include "harness/channel/channel.h"

namespace ktrial::channel {

class Streams : public std::enable_shared_from_this<Streams> {
 public:
  explicit Streams(boost::asio::io_context& io) : io_(io) {}
  void set_handlers(Channel::Handlers handlers) { handlers_ = std::move(handlers); }
  // Takes the connected, stream-like `fd` as `id` and starts to read.
  void open(StreamId id, Fd fd);
  void send(std::string bytes);  // control; kept until the stream opens
  void lose(const std::string& reason);
  // No handler runs after this.
  void close();

 private:
  struct Link {
    explicit Link(boost::asio::io_context& io, int fd) : stream(io, fd) {}
    boost::asio::posix::stream_descriptor stream;
    std::array<char, 65536> buffer;
  };
  static std::size_t index(StreamId id) { return static_cast<std::size_t>(id); }
  void read(StreamId id);
  void write();

  boost::asio::io_context& io_;
  Channel::Handlers handlers_;
  std::array<std::shared_ptr<Link>, 2> links_;
  std::deque<std::string> outbox_;
  bool writing_ = false;
  bool lost_ = false;
};

// Internal constructors, one per kind.
std::unique_ptr<Channel> make_virtio_serial(boost::asio::io_context& io);
Result<std::unique_ptr<Channel>> make_vhost_vsock(boost::asio::io_context& io);
Result<std::unique_ptr<Channel>> make_vhost_user_vsock(boost::asio::io_context& io,
                                                       const std::filesystem::path& scratch);
// A context id that no other VM on this host is likely to have; 0-2 and
// 0xffffffff are reserved (linux/vm_sockets.h).
std::uint32_t random_cid();

}  // namespace ktrial::channel
