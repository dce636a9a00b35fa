// What a job tells while it runs: plain values, and one line of JSON each, which is how a job in a
// process of its own tells it. The first event is Begun, the last one Ended.
//
//   {"t":0.31,"event":"begun","schema":1,"run":"20260301-...","directory":"/..."}
//   {"t":0.35,"trial":0,"event":"step","text":"booting 6.1.0 (tcg, virtio-serial)"}
//   {"t":9.12,"trial":0,"event":"trial","outcome":"pass","title":"","reason":"...","duration_s":8.7}
//   {"t":9.15,"event":"ended","exit":0}
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "guest/wire/wire.h"
#include "harness/base/result.h"
#include "results/record.h"

namespace ktrial::run {

inline constexpr int kEventSchema = 1;

// The run is in the store.
struct Begun {
  std::string run;  // its id
  std::filesystem::path directory;
  bool operator==(const Begun&) const = default;
};
struct Step {
  std::string text;
  bool operator==(const Step&) const = default;
};
// Of a kernel that is built, see kernel::BuildProgress.
struct Building {
  std::string step, detail;
  unsigned done = 0, expected = 0;
  std::chrono::seconds elapsed{0};
  std::optional<std::chrono::seconds> left;
  bool operator==(const Building&) const = default;
};
// Of the program in the guest; any bytes.
struct Output {
  wire::Stream stream = wire::Stream::out;
  std::string bytes;
  bool operator==(const Output&) const = default;
};
struct Progress {
  std::uint64_t done = 0, total = 0;
  std::string text;
  bool operator==(const Progress&) const = default;
};
// The kernel reports something on its console.
struct Reported {
  std::string title;
  bool operator==(const Reported&) const = default;
};
// The trial is committed to the store.
struct TrialEnded {
  results::Outcome outcome = results::Outcome::inconclusive;
  std::string title, reason;
  double duration_s = 0;
  bool operator==(const TrialEnded&) const = default;
};
// Of a job that makes its kernel only.
struct Made {
  std::string kernel;         // what --kernel takes; empty: the commit gives none
  std::string problem;        // why it gives none
  std::filesystem::path log;  // of the build that failed; may be empty
  bool operator==(const Made&) const = default;
};
struct Ended {
  int exit = 0;                // the exit code of `ktrial job`
  std::optional<Error> error;  // ktrial could not do its work, or was interrupted
  bool operator==(const Ended& other) const;
};
using What =
    std::variant<Begun, Step, Building, Output, Progress, Reported, TrialEnded, Made, Ended>;

struct Event {
  double at_s = 0;           // since the job began
  std::optional<int> trial;  // its index; unset: the whole job
  What what;
  bool operator==(const Event&) const = default;
};

// Called from the thread that runs the job, or the engine. Must not throw.
using Sink = std::function<void(const Event&)>;

// One line each, which ends in a newline. Output is cut into lines that stay below kMaxLine; text
// that is not UTF-8 comes out with U+FFFD, output bytes as they are.
std::vector<std::string> to_lines(const Event& event);

inline constexpr std::size_t kMaxLine = 256u << 10;  // bytes

// A line without its newline. Anything else but an event of this schema is an error
// (ErrorKind::protocol) that quotes the beginning of the line; keys that are not known are passed
// over.
Result<Event> parse_event(std::string_view line);

// Bytes as they come -> events. After an error nothing more comes out.
class EventReader {
 public:
  explicit EventReader(Sink sink) : sink_(std::move(sink)) {}
  // False: what came is no event; error() says why.
  bool feed(std::string_view bytes);
  const std::optional<Error>& error() const { return error_; }

 private:
  bool take(std::string_view line);
  Sink sink_;
  std::string line_;
  std::uint64_t number_ = 0;
  std::optional<Error> error_;
};

}  // namespace ktrial::run
