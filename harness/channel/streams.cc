#include "harness/channel/streams.h"

#include <boost/asio/write.hpp>
#include <random>

namespace ktrial::channel {
namespace asio = boost::asio;

void Streams::open(StreamId id, Fd fd) {
  links_[index(id)] = std::make_shared<Link>(io_, fd.release());
  read(id);
  if (id == StreamId::control) write();
}

void Streams::read(StreamId id) {
  auto link = links_[index(id)];
  link->stream.async_read_some(
      asio::buffer(link->buffer), [self = shared_from_this(), link, id](auto error, std::size_t n) {
        if (self->links_[index(id)] != link) return;
        if (n > 0 && self->handlers_.on_bytes)
          self->handlers_.on_bytes(id, {link->buffer.data(), n});
        if (self->links_[index(id)] != link) return;
        if (error)
          return self->lose(id == StreamId::control ? "the control stream closed"
                                                    : "the heartbeat stream closed");
        self->read(id);
      });
}

void Streams::send(std::string bytes) {
  outbox_.push_back(std::move(bytes));
  write();
}

void Streams::write() {
  auto link = links_[index(StreamId::control)];
  if (!link || writing_ || outbox_.empty()) return;
  writing_ = true;
  asio::async_write(link->stream, asio::buffer(outbox_.front()),
                    [self = shared_from_this(), link](auto error, std::size_t) {
                      self->writing_ = false;
                      if (error || self->links_[index(StreamId::control)] != link) return;
                      self->outbox_.pop_front();
                      self->write();
                    });
}

void Streams::lose(const std::string& reason) {
  if (lost_) return;
  lost_ = true;
  if (handlers_.on_lost) handlers_.on_lost(reason);
}

void Streams::close() {
  handlers_ = {};
  for (auto& link : links_) {
    if (!link) continue;
    boost::system::error_code ignored;
    link->stream.close(ignored);
    link.reset();
  }
}

std::uint32_t random_cid() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint32_t>(0x10000, 0x7fffffff)(device);
}

}  // namespace ktrial::channel
