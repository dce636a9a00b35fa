#include "harness/trace/ring_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace ktrial::trace {

namespace {

// Bits of the commit field (RB_MISSED_EVENTS, RB_MISSED_STORED); the rest is its size.
constexpr std::uint64_t kMissedEvents = 1u << 31, kMissedStored = 1u << 30;
constexpr std::uint32_t kSizeMask = 0x3fffffff;
// Values of type_len above those that are a length.
constexpr std::uint32_t kPadding = 29, kTimeExtend = 30, kTimeStamp = 31;
constexpr int kDeltaBits = 27;
// An absolute stamp has 59 bits; those above are the page's.
constexpr std::uint64_t kStampHigh = 0xf8ull << 56, kStampWrap = 1ull << 59;

template <class T>
T value_at(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

class Reader {
 public:
  Reader(std::span<const std::byte> data, PageContents& out)
      : data_(data), out_(out), ns_(out.begin_ns) {}

  void run() {
    while (at_ < data_.size() && next()) continue;
    out_.parsed = static_cast<std::uint32_t>(at_);
  }

 private:
  bool trouble(const char* what) {
    out_.trouble = fmt::format("{} at {} of {} bytes", what, at_, data_.size());
    return false;
  }

  // One record; false: the last one.
  bool next() {
    const std::size_t left = data_.size() - at_;
    if (left < 4) return trouble("a cut record");
    const auto head = value_at<std::uint32_t>(data_, at_);
    const std::uint32_t type = head & 31, delta = head >> 5;
    if (type == kPadding && delta == 0) {
      at_ = data_.size();  // nothing but padding from here on
      return false;
    }
    // A discarded record's delta does not count: the next one has it too.
    if (type == kPadding)
      return left < 8 ? trouble("cut padding") : step(std::uint64_t{4} + word());
    if (type == kTimeExtend || type == kTimeStamp)
      return left < 8 ? trouble("a cut stamp") : stamp(type, delta);
    ns_ += delta;
    std::uint64_t header = 4, length = std::uint64_t{type} * 4;
    if (type == 0) {  // the length follows, and counts itself
      if (left < 8) return trouble("a cut record");
      header = 8;
      length = word();
      if (length < 4) return trouble("a record of no length");
      length -= 4;
    }
    if (length > left - header) return trouble("a record longer than its page");
    out_.records.push_back({ns_, static_cast<std::uint32_t>(at_),
                            data_.subspan(at_ + header, length), at_ >= out_.committed});
    return step(header + length);
  }

  bool stamp(std::uint32_t type, std::uint32_t delta) {
    const std::uint64_t value = delta | static_cast<std::uint64_t>(word()) << kDeltaBits;
    if (type == kTimeExtend) {
      ns_ += value;
    } else {
      std::uint64_t full = value | (ns_ & kStampHigh);
      if ((ns_ & kStampHigh) != 0 && full < ns_) full += kStampWrap;
      ns_ = full;
    }
    return step(8);
  }

  std::uint32_t word() const { return value_at<std::uint32_t>(data_, at_ + 4); }

  // Records begin at multiples of four.
  bool step(std::uint64_t bytes) {
    bytes = (bytes + 3) & ~std::uint64_t{3};
    if (bytes > data_.size() - at_) return trouble("a record that crosses the end");
    at_ += bytes;
    return true;
  }

  std::span<const std::byte> data_;
  PageContents& out_;
  std::uint64_t ns_;
  std::size_t at_ = 0;
};

}  // namespace

Result<PageContents> parse_page(std::span<const std::byte> page, std::uint32_t written) {
  if (page.size() < kPageHeader || page.size() > kMaxPage)
    return fail(ErrorKind::protocol, fmt::format("a trace page of {} bytes", page.size()));
  const std::size_t room = page.size() - kPageHeader;
  const auto commit = value_at<std::uint64_t>(page, 8);
  PageContents out;
  out.begin_ns = value_at<std::uint64_t>(page, 0);
  out.committed = static_cast<std::uint32_t>(commit & kSizeMask);
  out.missed_events = (commit & kMissedEvents) != 0;
  if (out.committed > room)
    return fail(ErrorKind::protocol,
                fmt::format("a trace page with {} bytes in {}", out.committed, room));
  if ((commit & kMissedStored) != 0 && out.committed + 8 <= room)
    out.missed = value_at<std::uint64_t>(page, kPageHeader + out.committed);
  // A writer that found no room counts beyond the end.
  const std::size_t used =
      std::max<std::size_t>(out.committed, std::min<std::size_t>(written, room));
  Reader(page.subspan(kPageHeader, used), out).run();
  return out;
}

}  // namespace ktrial::trace
