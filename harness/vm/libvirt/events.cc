#include "harness/vm/libvirt/events.h"

#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>

#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>

namespace ktrial::vm {
namespace asio = boost::asio;

namespace {

asio::io_context* g_io = nullptr;
std::atomic<int> g_newest = -1;

// What libvirt handed over to be freed; it forbids that inside the call that removes.
class Opaque {
 public:
  Opaque(void* data, virFreeCallback free) : data_(data), free_(free) {}
  Opaque(const Opaque&) = delete;
  Opaque& operator=(const Opaque&) = delete;
  ~Opaque() {
    if (free_ != nullptr) free_(data_);
  }
  void* get() const { return data_; }

 private:
  void* data_;
  virFreeCallback free_;
};

class Handle : public std::enable_shared_from_this<Handle> {
 public:
  // Waits on a duplicate: libvirt closes the original itself.
  Handle(int id, int fd, int copy, virEventHandleCallback callback, std::shared_ptr<Opaque> opaque)
      : id_(id), fd_(fd), stream_(*g_io, copy), callback_(callback), opaque_(std::move(opaque)) {}

  void want(int events) {
    wanted_ = events;
    if ((wanted_ & VIR_EVENT_HANDLE_READABLE) != 0) arm(reading_, stream_.wait_read);
    if ((wanted_ & VIR_EVENT_HANDLE_WRITABLE) != 0) arm(writing_, stream_.wait_write);
  }
  std::shared_ptr<Opaque> remove() {
    wanted_ = 0;
    callback_ = nullptr;
    boost::system::error_code ignored;
    stream_.close(ignored);
    return std::move(opaque_);
  }

 private:
  void arm(bool& armed, asio::posix::stream_descriptor::wait_type type) {
    if (armed) return;
    armed = true;
    stream_.async_wait(type, [self = shared_from_this(), &armed](auto error) {
      armed = false;
      if (!error && self->callback_ != nullptr) self->dispatch();
    });
  }
  // A wait may end for what is no longer wanted, or was handled already: ask again.
  void dispatch() {
    pollfd now{fd_, 0, 0};
    if ((wanted_ & VIR_EVENT_HANDLE_READABLE) != 0) now.events |= POLLIN;
    if ((wanted_ & VIR_EVENT_HANDLE_WRITABLE) != 0) now.events |= POLLOUT;
    if (now.events == 0) return;
    int happened = 0;
    if (::poll(&now, 1, 0) > 0) {
      if ((now.revents & POLLIN) != 0) happened |= VIR_EVENT_HANDLE_READABLE;
      if ((now.revents & POLLOUT) != 0) happened |= VIR_EVENT_HANDLE_WRITABLE;
      if ((now.revents & POLLERR) != 0) happened |= VIR_EVENT_HANDLE_ERROR;
      if ((now.revents & POLLHUP) != 0) happened |= VIR_EVENT_HANDLE_HANGUP;
    }
    const auto opaque = opaque_;  // the callback may remove us
    if (happened != 0) callback_(id_, fd_, happened, opaque->get());
    if (callback_ != nullptr) want(wanted_);
  }

  const int id_, fd_;
  asio::posix::stream_descriptor stream_;
  virEventHandleCallback callback_;
  std::shared_ptr<Opaque> opaque_;
  int wanted_ = 0;
  bool reading_ = false, writing_ = false;
};

class Timeout : public std::enable_shared_from_this<Timeout> {
 public:
  Timeout(int id, virEventTimeoutCallback callback, std::shared_ptr<Opaque> opaque)
      : id_(id), timer_(*g_io), callback_(callback), opaque_(std::move(opaque)) {}

  void set(int milliseconds) {  // -1: off
    period_ = milliseconds;
    timer_.cancel();
    ++generation_;
    if (period_ < 0) return;
    timer_.expires_after(std::chrono::milliseconds(period_));
    timer_.async_wait([self = shared_from_this(), generation = generation_](auto error) {
      if (error || generation != self->generation_ || self->callback_ == nullptr) return;
      const auto opaque = self->opaque_;  // the callback may remove us
      self->callback_(self->id_, opaque->get());
      if (self->callback_ != nullptr && generation == self->generation_) self->set(self->period_);
    });
  }
  std::shared_ptr<Opaque> remove() {
    set(-1);
    callback_ = nullptr;
    return std::move(opaque_);
  }

 private:
  const int id_;
  asio::steady_timer timer_;
  virEventTimeoutCallback callback_;
  std::shared_ptr<Opaque> opaque_;
  int period_ = -1;
  unsigned generation_ = 0;
};

// Never destroyed: an io_context may be gone when the process ends.
auto& g_handles = *new std::map<int, std::shared_ptr<Handle>>;
auto& g_timeouts = *new std::map<int, std::shared_ptr<Timeout>>;
int g_next_id = 1;

template <class Entry>
std::shared_ptr<Entry> find(const std::map<int, std::shared_ptr<Entry>>& entries, int id) {
  auto it = entries.find(id);
  return it == entries.end() ? nullptr : it->second;
}

template <class Entry>
int remove(std::map<int, std::shared_ptr<Entry>>& entries, int id) {
  auto entry = find(entries, id);
  if (!entry) return -1;
  entries.erase(id);
  asio::post(*g_io, [opaque = entry->remove()]() mutable { opaque.reset(); });
  return 0;
}

int add_handle(int fd, int events, virEventHandleCallback callback, void* data,
               virFreeCallback free) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return -1;
  const int id = g_next_id++;
  auto handle =
      std::make_shared<Handle>(id, fd, copy, callback, std::make_shared<Opaque>(data, free));
  g_handles[id] = handle;
  g_newest = fd;
  handle->want(events);
  return id;
}
void update_handle(int id, int events) {
  if (auto handle = find(g_handles, id)) handle->want(events);
}
int remove_handle(int id) { return remove(g_handles, id); }

int add_timeout(int milliseconds, virEventTimeoutCallback callback, void* data,
                virFreeCallback free) {
  const int id = g_next_id++;
  auto timeout = std::make_shared<Timeout>(id, callback, std::make_shared<Opaque>(data, free));
  g_timeouts[id] = timeout;
  timeout->set(milliseconds);
  return id;
}
void update_timeout(int id, int milliseconds) {
  if (auto timeout = find(g_timeouts, id)) timeout->set(milliseconds);
}
int remove_timeout(int id) { return remove(g_timeouts, id); }

}  // namespace

void use_libvirt_events(asio::io_context& io) {
  static const bool registered = [] {
    virEventRegisterImpl(add_handle, update_handle, remove_handle, add_timeout, update_timeout,
                         remove_timeout);
    // Errors are returned; libvirt would print them to stderr, too.
    virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
    return true;
  }();
  (void)registered;
  g_io = &io;
  g_newest = -1;
}

int newest_libvirt_descriptor() { return g_newest; }

}  // namespace ktrial::vm
