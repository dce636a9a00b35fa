// What a child writes to a pipe, as it comes.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "harness/base/fd.h"

namespace ktrial::vm {

// Reads a descriptor to its end, handing out what comes.
class Drain : public std::enable_shared_from_this<Drain> {
 public:
  using Handler = std::function<void(std::string_view)>;
  Drain(boost::asio::io_context& io, Fd fd, Handler on_bytes, std::function<void()> on_end)
      : stream_(io, fd.release()), on_bytes_(std::move(on_bytes)), on_end_(std::move(on_end)) {}
  void run() {
    stream_.async_read_some(boost::asio::buffer(buffer_),
                            [self = shared_from_this()](auto error, std::size_t size) {
                              if (!self->on_bytes_) return;
                              if (size > 0) self->on_bytes_({self->buffer_.data(), size});
                              if (!self->on_bytes_) return;
                              if (error) return self->on_end_();
                              self->run();
                            });
  }
  void stop() {
    on_bytes_ = nullptr;
    on_end_ = nullptr;
    boost::system::error_code ignored;
    stream_.close(ignored);
  }

 private:
  boost::asio::posix::stream_descriptor stream_;
  std::array<char, 65536> buffer_;
  Handler on_bytes_;
  std::function<void()> on_end_;
};

}  // namespace ktrial::vm
