// Writers of a trial's artifacts. Each write is on its way to disk when the call
// returns (no buffer of ours), so a killed process loses nothing it was given.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::results {

// console.log: the raw bytes. console.times: when they came, one line a chunk:
// "BYTE_OFFSET NANOSECONDS", both decimal, the offset into console.log of the
// chunk's first byte, the time since the trial's start. Chunks closer than 1 ms
// share a line.
//
// Bounded: of a log longer than head + tail bytes the first `head` and the last
// `tail` bytes are kept, with a line between them that says how many are gone
// (kDroppedMark). Until finish() the tail is in console.tail.0 and .1, so that a
// killed process leaves it behind too.
class ConsoleLog {
 public:
  static constexpr std::uint64_t kHead = 32u << 20, kTail = 32u << 20;  // bytes
  static constexpr std::string_view kDroppedMark = "\n** ktrial dropped ";

  static Result<ConsoleLog> create(const std::filesystem::path& directory,
                                   std::uint64_t head = kHead, std::uint64_t tail = kTail);
  ConsoleLog(ConsoleLog&&) = default;
  ConsoleLog& operator=(ConsoleLog&&) = default;
  ~ConsoleLog();  // finish(), its error lost

  // Bytes as they came; `since_start` never decreases.
  Status append(std::string_view bytes, std::chrono::nanoseconds since_start);
  // Puts head and tail together. Further calls do nothing.
  Status finish();
  std::uint64_t bytes_dropped() const;  // as of now

 private:
  struct Times {  // offsets into the guest's whole output
    std::uint64_t offset;
    std::chrono::nanoseconds time;
  };
  struct Segment {
    Fd file;
    std::uint64_t size = 0;
    std::vector<Times> times;
  };
  ConsoleLog() = default;
  std::filesystem::path segment_path(int which) const;
  Status append_tail(std::string_view bytes, std::chrono::nanoseconds since_start);
  Status copy_tail(const Segment& segment, std::uint64_t skip, int which);

  std::filesystem::path directory_;
  Fd log_, times_;
  std::uint64_t head_ = 0, tail_ = 0, seen_ = 0;
  std::chrono::nanoseconds last_time_{-1'000'000'000};
  Segment segments_[2];
  int current_ = 0;
};

// events.jsonl: {"t": seconds since the trial's start, "type": ..., fields...}.
class EventLog {
 public:
  using Value = std::variant<std::string, std::int64_t, double, bool>;
  using Fields = std::vector<std::pair<std::string, Value>>;

  static Result<EventLog> create(const std::filesystem::path& directory);
  // One write(2) per event. After an error the log stays usable.
  Status add(std::chrono::nanoseconds since_start, std::string_view type,
             const Fields& fields = {});

 private:
  Fd file_;
  std::filesystem::path path_;
};

// Any other artifact, in one step; `executable` for scripts (qemu.sh).
Status write_artifact(const std::filesystem::path& path, std::string_view bytes,
                      bool executable = false);

}  // namespace ktrial::results
