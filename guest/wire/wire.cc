#include "guest/wire/wire.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

// In each message the fields of fixed size come before the strings: what must
// be cut to keep the bound is then always the end of the message.
namespace ktrial::wire {
namespace {

constexpr std::array<char, 4> kMagic = {'K', 'T', 'R', 'L'};
constexpr std::size_t kHeader = 12;     // magic 4, version 2, type 2, payload length 4
constexpr std::size_t kLengthSize = 4;  // of a string or a list

// A type's number on the wire is its place in Message, from 1. wire_test.cc pins them.
constexpr std::size_t kTypes = std::variant_size_v<Message>;

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out), begin_(out.size()) {}

  template <typename Number>
  void number(Number value) {
    auto bits = static_cast<std::make_unsigned_t<Number>>(value);
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
      out_.push_back(static_cast<char>(static_cast<std::uint64_t>(bits) >> (8 * i)));
    }
  }
  std::size_t room() const { return kMaxPayload - (out_.size() - begin_); }
  // `reserve`: bytes that what follows needs at least.
  void text(std::string_view value, std::size_t reserve = 0) {
    value = value.substr(0, room() - reserve - kLengthSize);
    number(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }
  template <typename Entries, typename Put>
  void list(const Entries& entries, std::size_t entry_size, std::size_t reserve, Put put) {
    const std::size_t at = out_.size();
    number(std::uint32_t{0});
    std::uint32_t count = 0;
    for (const auto& entry : entries) {
      if (count == kMaxStrings || room() < reserve + entry_size) break;
      put(entry);
      ++count;
    }
    patch(at, count);
  }
  void texts(const std::vector<std::string>& values, std::size_t reserve = 0) {
    list(values, kLengthSize, reserve, [&](const std::string& value) { text(value, reserve); });
  }
  void patch(std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < sizeof(value); ++i)
      out_[at + i] = static_cast<char>(value >> (8 * i));
  }

 private:
  std::string& out_;
  std::size_t begin_;
};

// Reads one payload. After the first failure every read gives zero or empty.
class Reader {
 public:
  explicit Reader(std::string_view data) : data_(data) {}

  template <typename Number>
  void number(Number& value) {
    if (data_.size() < sizeof(Number)) return fail("a number is cut off");
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
      bits |= static_cast<std::uint64_t>(static_cast<unsigned char>(data_[i])) << (8 * i);
    }
    value = static_cast<Number>(bits);
    data_.remove_prefix(sizeof(Number));
  }
  template <typename Enum>
  void choice(Enum& value, Enum last) {
    std::uint8_t raw = 0;
    number(raw);
    if (raw < 1 || raw > static_cast<std::uint8_t>(last)) return fail("a choice is out of range");
    value = static_cast<Enum>(raw);
  }
  void text(std::string& value) {
    std::uint32_t length = 0;
    number(length);
    if (length > data_.size()) return fail("a string reaches past the frame");
    value = data_.substr(0, length);
    data_.remove_prefix(length);
  }
  // Grows with what was really read, never with what the count promises.
  template <typename Entry, typename Get>
  void list(std::vector<Entry>& entries, Get get) {
    std::uint32_t count = 0;
    number(count);
    if (count > kMaxStrings) return fail("a list is too long");
    for (std::uint32_t i = 0; i < count && !problem_; ++i) get(entries.emplace_back());
  }
  void texts(std::vector<std::string>& values) {
    list(values, [&](std::string& value) { text(value); });
  }
  const char* finish() {
    if (!problem_ && !data_.empty()) fail("bytes are left over");
    return problem_;
  }

 private:
  void fail(const char* problem) {
    if (!problem_) problem_ = problem;
    data_ = {};
  }

  std::string_view data_;
  const char* problem_ = nullptr;
};

void put(Writer& w, const Hello& m) {
  w.number(m.version);
  w.number(m.possible_cpus);
  w.number(m.online_cpus);
  w.number(m.uptime_ns);
  w.text(m.kernel_release, 2 * kLengthSize);
  w.text(m.kernel_version, kLengthSize);
  w.text(m.command_line);
}
void get(Reader& r, Hello& m) {
  r.number(m.version);
  r.number(m.possible_cpus);
  r.number(m.online_cpus);
  r.number(m.uptime_ns);
  r.text(m.kernel_release);
  r.text(m.kernel_version);
  r.text(m.command_line);
}
void put(Writer& w, const Beat& m) {
  w.number(m.cpu);
  w.number(m.sequence);
  w.number(m.uptime_ns);
}
void get(Reader& r, Beat& m) {
  r.number(m.cpu);
  r.number(m.sequence);
  r.number(m.uptime_ns);
}
void put(Writer& w, const Output& m) {
  w.number(static_cast<std::uint8_t>(m.stream));
  w.text(m.bytes);
}
void get(Reader& r, Output& m) {
  r.choice(m.stream, Stream::err);
  r.text(m.bytes);
}
void put(Writer& w, const Progress& m) {
  w.number(m.done);
  w.number(m.total);
  w.text(m.text);
}
void get(Reader& r, Progress& m) {
  r.number(m.done);
  r.number(m.total);
  r.text(m.text);
}
void put(Writer& w, const Exit& m) {
  w.number(static_cast<std::uint8_t>(m.kind));
  w.number(m.value);
  w.number(m.wall_ns);
  w.text(m.detail);
}
void get(Reader& r, Exit& m) {
  r.choice(m.kind, ExitKind::not_started);
  r.number(m.value);
  r.number(m.wall_ns);
  r.text(m.detail);
}
void put(Writer& w, const Counters& m) {
  constexpr std::size_t kValue = sizeof(std::uint64_t);
  w.list(m.values, kLengthSize + kValue, 0, [&](const auto& entry) {
    w.text(entry.first, kValue);
    w.number(entry.second);
  });
}
void get(Reader& r, Counters& m) {
  r.list(m.values, [&](auto& entry) {
    r.text(entry.first);
    r.number(entry.second);
  });
}
void put(Writer& w, const Log& m) { w.text(m.text); }
void get(Reader& r, Log& m) { r.text(m.text); }
void put(Writer& w, const Run& m) {
  w.number(m.deadline_ns);
  w.number(m.max_memory);
  w.number(m.max_processes);
  w.number(m.max_files);
  w.texts(m.argv, kLengthSize);
  w.texts(m.env);
}
void get(Reader& r, Run& m) {
  r.number(m.deadline_ns);
  r.number(m.max_memory);
  r.number(m.max_processes);
  r.number(m.max_files);
  r.texts(m.argv);
  r.texts(m.env);
}
void put(Writer&, const ReadCounters&) {}
void get(Reader&, ReadCounters&) {}
void put(Writer& w, const Ping& m) { w.number(m.token); }
void get(Reader& r, Ping& m) { r.number(m.token); }
void put(Writer& w, const Pong& m) { w.number(m.token); }
void get(Reader& r, Pong& m) { r.number(m.token); }
void put(Writer&, const PowerOff&) {}
void get(Reader&, PowerOff&) {}
// `reserve`: bytes that what follows needs at least.
void put_pairs(Writer& w, const std::vector<std::pair<std::string, std::string>>& pairs,
               std::size_t reserve) {
  w.list(pairs, 2 * kLengthSize, reserve, [&](const auto& entry) {
    w.text(entry.first, kLengthSize + reserve);
    w.text(entry.second, reserve);
  });
}
void get_pairs(Reader& r, std::vector<std::pair<std::string, std::string>>& pairs) {
  r.list(pairs, [&](auto& entry) {
    r.text(entry.first);
    r.text(entry.second);
  });
}
void put(Writer& w, const TraceSetup& m) {
  w.text(m.clock, 3 * kLengthSize);
  w.texts(m.stops, 2 * kLengthSize);
  put_pairs(w, m.events, kLengthSize);
  w.texts(m.functions);
}
void get(Reader& r, TraceSetup& m) {
  r.text(m.clock);
  r.texts(m.stops);
  get_pairs(r, m.events);
  r.texts(m.functions);
}
void put(Writer& w, const TraceReady& m) { put_pairs(w, m.refused, 0); }
void get(Reader& r, TraceReady& m) { get_pairs(r, m.refused); }
void put(Writer&, const ReadTrace&) {}
void get(Reader&, ReadTrace&) {}
void put(Writer& w, const TraceFile& m) {
  w.text(m.name, kLengthSize);
  w.text(m.bytes);
}
void get(Reader& r, TraceFile& m) {
  r.text(m.name);
  r.text(m.bytes);
}
void put(Writer& w, const TraceEnd& m) { w.text(m.problem); }
void get(Reader& r, TraceEnd& m) { r.text(m.problem); }
void put(Writer& w, const Clocks& m) {
  w.number(m.uptime_ns);
  w.number(m.trace_ns);
  w.number(m.error_ns);
}
void get(Reader& r, Clocks& m) {
  r.number(m.uptime_ns);
  r.number(m.trace_ns);
  r.number(m.error_ns);
}
void put(Writer& w, const Resume& m) {
  w.number(m.wall_ns);
  w.number(m.control_port);
  w.number(m.beat_port);
  w.text(m.seed);
}
void get(Reader& r, Resume& m) {
  r.number(m.wall_ns);
  r.number(m.control_port);
  r.number(m.beat_port);
  r.text(m.seed);
}

void put(Writer& w, const ReadFiles& m) {
  w.number(m.max_bytes);
  w.number(m.max_files);
}
void get(Reader& r, ReadFiles& m) {
  r.number(m.max_bytes);
  r.number(m.max_files);
}
void put(Writer& w, const GuestFile& m) {
  w.number(static_cast<std::uint8_t>(m.kind));
  w.text(m.name, kLengthSize);
  w.text(m.bytes);
}
void get(Reader& r, GuestFile& m) {
  r.choice(m.kind, FileKind::program);
  r.text(m.name);
  r.text(m.bytes);
}
void put(Writer& w, const FilesEnd& m) { w.text(m.problem); }
void get(Reader& r, FilesEnd& m) { r.text(m.problem); }

// An empty message of the given place in Message.
template <std::size_t Index = 0>
Message make(std::size_t index) {
  if constexpr (Index + 1 < kTypes) {
    if (index != Index) return make<Index + 1>(index);
  }
  return Message(std::in_place_index<Index>);
}

std::uint32_t little(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
  }
  return value;
}

// What is wrong with a whole header; empty if nothing.
std::string header_problem(std::string_view header) {
  const std::uint32_t version = little(header.substr(4, 2));
  const std::uint32_t type = little(header.substr(6, 2));
  const std::uint32_t length = little(header.substr(8, 4));
  if (version != kVersion) {
    return "version " + std::to_string(version) + ", expected " + std::to_string(kVersion) +
           " (agent and host must come from the same build)";
  }
  if (type < 1 || type > kTypes) return "unknown type " + std::to_string(type);
  if (length > kMaxPayload) return "payload of " + std::to_string(length) + " bytes is too long";
  return {};
}

}  // namespace

std::string encode(const Message& message) {
  std::string frame(kMagic.data(), kMagic.size());
  Writer header(frame);
  header.number(kVersion);
  header.number(static_cast<std::uint16_t>(message.index() + 1));
  header.number(std::uint32_t{0});
  Writer payload(frame);
  std::visit([&](const auto& m) { put(payload, m); }, message);
  header.patch(kHeader - kLengthSize, static_cast<std::uint32_t>(frame.size() - kHeader));
  return frame;
}

std::array<char, kBeatFrame> encode_beat(const Beat& beat) {
  std::array<char, kBeatFrame> frame = {};
  std::size_t at = 0;
  const auto put_number = [&](auto value) {
    for (std::size_t i = 0; i < sizeof(value); ++i) {
      frame[at++] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
    }
  };
  for (char byte : kMagic) frame[at++] = byte;
  put_number(kVersion);
  put_number(static_cast<std::uint16_t>(Message(Beat{}).index() + 1));
  put_number(static_cast<std::uint32_t>(kBeatFrame - kHeader));
  put_number(beat.cpu);
  put_number(beat.sequence);
  put_number(beat.uptime_ns);
  return frame;
}

void Decoder::feed(std::string_view bytes) {
  if (!error_.empty()) return;
  buffer_.erase(0, position_);
  position_ = 0;
  buffer_.append(bytes);
}

std::optional<Message> Decoder::next() {
  if (!error_.empty()) return std::nullopt;
  const auto fail = [&](const std::string& problem) {
    error_ = "frame at byte " + std::to_string(consumed_) + ": " + problem;
    buffer_.clear();
    buffer_.shrink_to_fit();
    position_ = 0;
    return std::nullopt;
  };
  const std::string_view held = std::string_view(buffer_).substr(position_);
  const std::size_t seen = std::min(held.size(), kMagic.size());
  if (std::memcmp(held.data(), kMagic.data(), seen) != 0)
    return fail("it does not begin as a frame");
  if (held.size() < kHeader) return std::nullopt;
  if (std::string problem = header_problem(held); !problem.empty()) return fail(problem);
  const std::size_t length = little(held.substr(8, 4));
  if (held.size() - kHeader < length) return std::nullopt;

  const std::size_t index = little(held.substr(6, 2)) - 1;
  Message message = make(index);
  Reader reader(held.substr(kHeader, length));
  std::visit([&](auto& m) { get(reader, m); }, message);
  if (const char* problem = reader.finish()) {
    return fail("type " + std::to_string(index + 1) + ": " + problem);
  }
  position_ += kHeader + length;
  consumed_ += kHeader + length;
  return message;
}

}  // namespace ktrial::wire
