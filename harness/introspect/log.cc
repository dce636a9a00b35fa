#include "harness/introspect/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "harness/introspect/vmcoreinfo.h"

namespace ktrial::introspect {

namespace {

constexpr std::uint64_t kMostDescriptorBits = 22, kMostDataBits = 32;
constexpr std::size_t kLongestText = 64u << 10;  // info.text_len has 16 bits
// A descriptor's state is in the top two bits, its id in the others.
constexpr std::uint64_t kIdMask = ~0ull >> 2;
constexpr std::uint64_t kCommitted = 1, kFinalized = 2;

// Where fields are, in bytes.
struct Layout {
  std::uint64_t desc_ring, data_ring;                                 // of printk_ringbuffer
  std::uint64_t count_bits, descs, infos, head_id, tail_id, counter;  // of prb_desc_ring
  std::uint64_t desc_size, state_var, text_blk, begin, next;          // of prb_desc
  std::uint64_t info_size, seq, ts_nsec, text_len, caller_id;         // of printk_info
  std::uint64_t size_bits, data;                                      // of prb_data_ring
};

Result<Layout> layout_of(const VmCoreInfo& info) {
  Layout out{
      .desc_ring = KTRIAL_TRY(info.offset("printk_ringbuffer.desc_ring")),
      .data_ring = KTRIAL_TRY(info.offset("printk_ringbuffer.text_data_ring")),
      .count_bits = KTRIAL_TRY(info.offset("prb_desc_ring.count_bits")),
      .descs = KTRIAL_TRY(info.offset("prb_desc_ring.descs")),
      .infos = KTRIAL_TRY(info.offset("prb_desc_ring.infos")),
      .head_id = KTRIAL_TRY(info.offset("prb_desc_ring.head_id")),
      .tail_id = KTRIAL_TRY(info.offset("prb_desc_ring.tail_id")),
      .counter = KTRIAL_TRY(info.offset("atomic_long_t.counter")),
      .desc_size = KTRIAL_TRY(info.size("prb_desc")),
      .state_var = KTRIAL_TRY(info.offset("prb_desc.state_var")),
      .text_blk = KTRIAL_TRY(info.offset("prb_desc.text_blk_lpos")),
      .begin = KTRIAL_TRY(info.offset("prb_data_blk_lpos.begin")),
      .next = KTRIAL_TRY(info.offset("prb_data_blk_lpos.next")),
      .info_size = KTRIAL_TRY(info.size("printk_info")),
      .seq = KTRIAL_TRY(info.offset("printk_info.seq")),
      .ts_nsec = KTRIAL_TRY(info.offset("printk_info.ts_nsec")),
      .text_len = KTRIAL_TRY(info.offset("printk_info.text_len")),
      .caller_id = KTRIAL_TRY(info.offset("printk_info.caller_id")),
      .size_bits = KTRIAL_TRY(info.offset("prb_data_ring.size_bits")),
      .data = KTRIAL_TRY(info.offset("prb_data_ring.data")),
  };
  return out;
}

std::string caller_name(std::uint32_t id) {
  return id >> 31 != 0 ? fmt::format("C{}", id & 0x7fffffff) : fmt::format("T{}", id);
}

class Ring {
 public:
  Ring(const AddressSpace& space, const Layout& layout) : space_(space), at_(layout) {}

  Status open(std::uint64_t address);
  std::vector<LogRecord> records() const;

 private:
  Result<std::optional<LogRecord>> record(std::uint64_t id) const;
  // Where in memory a record's text is, and how long it may be; nothing if it is lost.
  struct Text {
    std::uint64_t address, length;
  };
  Result<std::optional<Text>> text_of(std::uint64_t id, std::uint64_t begin,
                                      std::uint64_t next) const;
  Result<std::uint64_t> word(std::uint64_t address) const {
    return read_value<std::uint64_t>(space_, address);
  }

  const AddressSpace& space_;
  const Layout& at_;
  std::uint64_t count_ = 0, descs_ = 0, infos_ = 0, head_ = 0, tail_ = 0;
  unsigned data_bits_ = 0;
  std::uint64_t data_ = 0;
};

Status Ring::open(std::uint64_t address) {
  const std::uint64_t ring = address + at_.desc_ring, data = address + at_.data_ring;
  const auto bits = KTRIAL_TRY(read_value<std::uint32_t>(space_, ring + at_.count_bits));
  data_bits_ = KTRIAL_TRY(read_value<std::uint32_t>(space_, data + at_.size_bits));
  if (bits == 0 || bits > kMostDescriptorBits || data_bits_ < 4 || data_bits_ > kMostDataBits)
    return fail(ErrorKind::protocol,
                fmt::format("kernel log: 2^{} records in 2^{} bytes cannot be", bits, data_bits_));
  count_ = 1ull << bits;
  descs_ = KTRIAL_TRY(word(ring + at_.descs));
  infos_ = KTRIAL_TRY(word(ring + at_.infos));
  head_ = KTRIAL_TRY(word(ring + at_.head_id + at_.counter)) & kIdMask;
  tail_ = KTRIAL_TRY(word(ring + at_.tail_id + at_.counter)) & kIdMask;
  data_ = KTRIAL_TRY(word(data + at_.data));
  // Tables that cannot be there are found out now, not record by record.
  KTRIAL_TRY(word(descs_ + (count_ - 1) * at_.desc_size));
  KTRIAL_TRY(word(infos_ + (count_ - 1) * at_.info_size));
  return {};
}

Result<std::optional<Ring::Text>> Ring::text_of(std::uint64_t id, std::uint64_t begin,
                                                std::uint64_t next) const {
  // NO_LPOS: an empty line; other odd positions: there was no room for the text.
  if (begin == 3 && next == 3) return Text{data_, 0};
  if ((begin & 1) != 0) return std::nullopt;
  const std::uint64_t size = 1ull << data_bits_;
  auto index = [&](std::uint64_t position) { return position & (size - 1); };
  auto wrap = [&](std::uint64_t position) { return position >> data_bits_; };
  // A block that would cross the end of the buffer lies at its start instead; its
  // id is then there, too.
  std::uint64_t block = index(begin), length = next - begin;
  if (wrap(begin) != wrap(next - 1)) {
    block = 0;
    length = index(next);
  }
  constexpr std::uint64_t kId = sizeof(std::uint64_t);
  if (length <= kId || length > size - block) return std::nullopt;
  if (KTRIAL_TRY(word(data_ + block)) != id) return std::nullopt;  // overwritten
  return Text{data_ + block + kId, length - kId};
}

Result<std::optional<LogRecord>> Ring::record(std::uint64_t id) const {
  const std::uint64_t slot = id & (count_ - 1);
  const std::uint64_t desc = descs_ + slot * at_.desc_size, info = infos_ + slot * at_.info_size;
  const std::uint64_t state = KTRIAL_TRY(word(desc + at_.state_var + at_.counter));
  if ((state & kIdMask) != id) return std::nullopt;
  if (state >> 62 != kCommitted && state >> 62 != kFinalized) return std::nullopt;
  const std::uint64_t begin = KTRIAL_TRY(word(desc + at_.text_blk + at_.begin));
  const std::uint64_t next = KTRIAL_TRY(word(desc + at_.text_blk + at_.next));

  const auto text = KTRIAL_TRY(text_of(id, begin, next));
  if (!text) return std::nullopt;
  LogRecord out;
  out.sequence = KTRIAL_TRY(word(info + at_.seq));
  out.ns = KTRIAL_TRY(word(info + at_.ts_nsec));
  // text_len, then two bytes: the facility, and level (upper 3 bits) with flags.
  struct Head {
    std::uint16_t text_len;
    std::uint8_t facility, flags_and_level;
  };
  const auto head = KTRIAL_TRY(read_value<Head>(space_, info + at_.text_len));
  out.facility = head.facility;
  out.level = head.flags_and_level >> 5;
  out.caller = caller_name(KTRIAL_TRY(read_value<std::uint32_t>(space_, info + at_.caller_id)));
  out.text.resize(std::min<std::uint64_t>({head.text_len, text->length, kLongestText}));
  KTRIAL_TRY(space_.read(text->address, std::as_writable_bytes(std::span(out.text))));
  return out;
}

std::vector<LogRecord> Ring::records() const {
  std::vector<LogRecord> out;
  const std::uint64_t held = ((head_ - tail_) & kIdMask) + 1;
  for (std::uint64_t i = 0; i < std::min(held, count_); ++i) {
    // One unreadable record is no reason to lose the others.
    auto one = record((tail_ + i) & kIdMask);
    if (one && *one) out.push_back(std::move(**one));
  }
  return out;
}

}  // namespace

Result<std::vector<LogRecord>> read_log(const AddressSpace& space, const VmCoreInfo& info) {
  const Layout layout = KTRIAL_TRY(layout_of(info));
  const std::uint64_t pointer = KTRIAL_TRY(info.symbol("prb"));
  const auto address = KTRIAL_TRY(read_value<std::uint64_t>(space, pointer));
  Ring ring(space, layout);
  KTRIAL_TRY(ring.open(address));
  return ring.records();
}

std::string log_lines(const LogRecord& record) {
  const std::string stamp =
      fmt::format("[{:5}.{:06}] ", record.ns / 1000000000, record.ns / 1000 % 1000000);
  std::string out;
  for (std::size_t at = 0; at <= record.text.size();) {
    const std::size_t end = std::min(record.text.find('\n', at), record.text.size());
    out += stamp + record.text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

}  // namespace ktrial::introspect
