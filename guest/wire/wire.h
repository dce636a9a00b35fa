// The messages between the host and the guest agent. Shared by both sides; the
// format is described in docs/wire-protocol.md. Depends on nothing but the
// standard library, because the guest agent is a small static binary.
//
// Two byte streams exist per guest: `control` (both directions) and `beat`
// (guest to host, Beat frames only, one write(2) each). They are apart so that
// a CPU that wedges while it sends output cannot hold up the beats of others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ktrial::wire {

inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::uint32_t kMaxPayload = 64 * 1024;  // bytes; a longer frame is an error
inline constexpr std::size_t kMaxStrings = 256;          // entries of any list
inline constexpr std::uint32_t kControlPort = 7101;      // vsock ports on the host, per VM
inline constexpr std::uint32_t kBeatPort = 7102;
inline constexpr char kControlName[] = "org.ktrial.control";  // virtio-serial port names
inline constexpr char kBeatName[] = "org.ktrial.beat";

// Guest to host, first message on `control`.
struct Hello {
  std::uint16_t version = kVersion;
  std::uint32_t possible_cpus = 0;
  std::uint32_t online_cpus = 0;
  std::uint64_t uptime_ns = 0;
  std::string kernel_release;
  std::string kernel_version;  // uname -v
  std::string command_line;
  bool operator==(const Hello&) const = default;
};
// One a second from a thread pinned to `cpu`.
// The agent's thread that beats for CPU N calls itself "beat-N".
inline constexpr char kBeatThread[] = "beat-";
struct Beat {
  std::uint32_t cpu = 0;
  std::uint64_t sequence = 0;
  std::uint64_t uptime_ns = 0;
  bool operator==(const Beat&) const = default;
};
enum class Stream : std::uint8_t { out = 1, err = 2 };
struct Output {
  Stream stream = Stream::out;
  std::string bytes;
  bool operator==(const Output&) const = default;
};
// A workload's sign of life: `done` of `total` units (total 0: unknown).
struct Progress {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string text;
  bool operator==(const Progress&) const = default;
};
enum class ExitKind : std::uint8_t { exited = 1, signaled = 2, deadline = 3, not_started = 4 };
struct Exit {
  ExitKind kind = ExitKind::exited;
  std::int32_t value = 0;  // exit status, signal number, or errno for not_started
  std::uint64_t wall_ns = 0;
  std::string detail;
  bool operator==(const Exit&) const = default;
};
// The kernel's own counters (taint, warn_count, oops_count, ...): those that exist.
struct Counters {
  std::vector<std::pair<std::string, std::uint64_t>> values;
  bool operator==(const Counters&) const = default;
};
// The agent's own words, e.g. a module that would not load.
struct Log {
  std::string text;
  bool operator==(const Log&) const = default;
};

// Host to guest.
struct Run {
  std::vector<std::string> argv;
  std::vector<std::string> env;   // NAME=VALUE
  std::uint64_t deadline_ns = 0;  // 0: none
  std::uint64_t max_memory = 0;   // bytes, RLIMIT_AS; 0: none
  std::uint64_t max_processes = 0;
  std::uint64_t max_files = 0;
  bool operator==(const Run&) const = default;
};
struct ReadCounters {
  bool operator==(const ReadCounters&) const = default;
};
struct Ping {
  std::uint64_t token = 0;
  bool operator==(const Ping&) const = default;
};
struct Pong {
  std::uint64_t token = 0;
  bool operator==(const Pong&) const = default;
};
struct PowerOff {
  bool operator==(const PowerOff&) const = default;
};

// Host to guest, before Run: what tracefs shall be told.
struct TraceSetup {
  std::string clock;  // empty: any
  // Where tracing stops: functions' names, and events as "SYSTEM:EVENT".
  std::vector<std::string> stops;
  // "SYSTEM:EVENT" or "SYSTEM:*", and its filter; empty: none.
  std::vector<std::pair<std::string, std::string>> events;
  std::vector<std::string> functions;  // globs
  bool operator==(const TraceSetup&) const = default;
};
// Its answer: what this kernel refused, and why. Nothing: all is as asked.
struct TraceReady {
  std::vector<std::pair<std::string, std::string>> refused;
  bool operator==(const TraceReady&) const = default;
};
// Host to guest: stop tracing, and send what was traced, as TraceFiles up to a TraceEnd.
struct ReadTrace {
  bool operator==(const ReadTrace&) const = default;
};
// The next piece of a file of tracefs, by its path there; pieces of one come in order.
struct TraceFile {
  std::string name;
  std::string bytes;
  bool operator==(const TraceFile&) const = default;
};
struct TraceEnd {
  std::string problem;  // empty: everything was sent
  bool operator==(const TraceEnd&) const = default;
};
// Guest to host, once a second from Run on: two of its clocks, read at one instant. What the
// host knows by its own clock or by the beats' uptime finds its place in the trace by that.
struct Clocks {
  std::uint64_t uptime_ns = 0;
  std::uint64_t trace_ns = 0;  // by the clock of the trace's ring
  std::uint64_t error_ns = 0;  // of the pair, at most
  bool operator==(const Clocks&) const = default;
};
// Host to guest, first: to one that was resumed from a template, where it waits for this. It is
// answered by Hello, on the channel that is named here.
struct Resume {
  std::uint64_t wall_ns = 0;       // CLOCK_REALTIME; 0: as it is
  std::uint32_t control_port = 0;  // vsock ports on the host; 0: where this came from
  std::uint32_t beat_port = 0;
  std::string seed;  // of the kernel's random numbers; empty: as they are
  bool operator==(const Resume&) const = default;
};

// Host to guest, after Exit: send what the command left in its output folder, as GuestFiles up to a
// FilesEnd.
struct ReadFiles {
  std::uint64_t max_bytes = 0;  // of all files together
  std::uint64_t max_files = 0;
  bool operator==(const ReadFiles&) const = default;
};
// A folder, or the next piece of a file; pieces of one come in order, without another between.
enum class FileKind : std::uint8_t { folder = 1, file = 2, program = 3 };
struct GuestFile {
  FileKind kind = FileKind::file;
  std::string name;  // below the output folder: "a/b"
  std::string bytes;
  bool operator==(const GuestFile&) const = default;
};
struct FilesEnd {
  std::string problem;  // what was left out; empty: nothing
  bool operator==(const FilesEnd&) const = default;
};

using Message = std::variant<Hello, Beat, Output, Progress, Exit, Counters, Log, Run, ReadCounters,
                             Ping, Pong, PowerOff, TraceSetup, TraceReady, ReadTrace, TraceFile,
                             TraceEnd, Clocks, Resume, ReadFiles, GuestFile, FilesEnd>;

// One frame, ready to be written. A message that would exceed the bounds is
// cut (strings, output) rather than sent oversized.
std::string encode(const Message& message);

// The same frame as encode(beat), without an allocation: a thread that beats must
// not wait for a lock (malloc's, the page tables') that a wedged CPU may hold.
inline constexpr std::size_t kBeatFrame = 32;  // bytes
std::array<char, kBeatFrame> encode_beat(const Beat& beat);

// Bytes in, messages out. After the first error the decoder stays in error:
// a stream that lost its framing is never trusted again.
class Decoder {
 public:
  void feed(std::string_view bytes);
  // The next whole message, or nothing (need more bytes, or error() is set).
  std::optional<Message> next();
  // Empty while the stream is sound; else what was wrong and at which offset.
  const std::string& error() const { return error_; }
  // True if bytes of an unfinished frame are held: at end of stream, truncation.
  bool mid_frame() const { return error_.empty() && position_ < buffer_.size(); }

 private:
  std::string buffer_;
  std::size_t position_ = 0;
  std::uint64_t consumed_ = 0;
  std::string error_;
};

}  // namespace ktrial::wire
