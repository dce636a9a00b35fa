#include "harness/run/event_writer.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ktrial::run {
namespace {

constexpr std::size_t kMuch = 8u << 20;  // bytes

bool may_be_left_out(const Event& event) {
  return std::holds_alternative<Progress>(event.what) ||
         std::holds_alternative<Building>(event.what) || std::holds_alternative<Output>(event.what);
}

}  // namespace

void EventWriter::tell(const Event& event) {
  if (error_) return;
  if (kept_bytes_ > kMuch && may_be_left_out(event)) {
    ++left_out_;
  } else {
    if (left_out_ > 0 && kept_bytes_ <= kMuch) {
      const Event gap{
          event.at_s, event.trial,
          Step{std::to_string(left_out_) + " events were left out: who reads them is slow"}};
      left_out_ = 0;
      tell(gap);
    }
    for (std::string& line : to_lines(event)) {
      kept_bytes_ += line.size();
      kept_.push_back(std::move(line));
    }
  }
  write_some(false);
}

Status EventWriter::finish() {
  write_some(true);
  if (error_) return std::unexpected(*error_);
  return {};
}

// A pipe that polls as writable takes PIPE_BUF bytes without blocking (pipe(7)).
void EventWriter::write_some(bool all) {
  while (!kept_.empty() && !error_) {
    pollfd ready{fd_, POLLOUT, 0};
    const int found = ::poll(&ready, 1, all ? -1 : 0);
    if (found < 0 && errno == EINTR) continue;
    if (found == 0) return;
    const std::string& line = kept_.front();
    const std::size_t size = std::min<std::size_t>(line.size() - written_, PIPE_BUF);
    const ssize_t count = ::write(fd_, line.data() + written_, size);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) {
      error_ = system_error("write of events", errno);
      kept_.clear();
      return;
    }
    written_ += static_cast<std::size_t>(count);
    kept_bytes_ -= static_cast<std::size_t>(count);
    if (written_ < line.size()) continue;
    kept_.pop_front();
    written_ = 0;
  }
}

}  // namespace ktrial::run
