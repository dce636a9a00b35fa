// When things happened that are no events of the kernel's trace: phases of the trial, progress,
// heartbeats, what the host did; each by the clock of that trace, so that one picture holds them.
//
// Three clocks are related by what the guest sends:
//
//   trace clock  <- uptime   wire::Clocks, read at one instant in the guest, once a second. The
//                            nearest pair is taken; error: the pair's own (below a millisecond)
//                            and the drift of two clocks of one guest over the time to that pair.
//   uptime       <- host's   a message that says its uptime was sent before it arrived: of those
//                            that arrived within ten seconds of a moment, the quickest tells what
//                            the clocks differ by. Error: its time on the way, a millisecond on
//                            a quiet host, more when the guest got no CPU; by so much what is
//                            known by the host's clock is shown too early, never too late.
//
// A machine that is paused for an autopsy loses that time: whoever pauses it says stop() before.
// Bounded, and nothing that a guest says is believed further than that it is misplaced.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "guest/wire/wire.h"
#include "harness/autopsy/host_watch.h"
#include "harness/trace/writers.h"

namespace ktrial::trial {

class Timeline {
 public:
  using Time = Clock::time_point;

  void clocks(Time arrived, const wire::Clocks& clocks);
  void beat(Time arrived, const wire::Beat& beat);
  void progress(Time arrived, const wire::Progress& progress);
  // Begins, and ends the one before.
  void phase(Time at, std::string name);

  // Nothing is placed after this. The first one counts.
  void stop(Time at);

  // Everything, as seen at `now`; nothing if the guest never told its trace's clock. Of a CPU's
  // beats each, and the times without: how long, and up to `now`, still none.
  std::vector<trace::Mark> marks(const std::vector<autopsy::HostTrouble>& host, Time now) const;

  // By the trace's clock, in ns.
  std::optional<std::uint64_t> trace_ns(std::uint64_t uptime_ns) const;
  std::optional<std::uint64_t> trace_ns(Time at) const;

 private:
  struct Sent {
    Time arrived;
    std::int64_t uptime_ns = 0;
  };
  struct Step {
    Time at;
    std::string text;
  };
  void heard(Time arrived, std::uint64_t uptime_ns);
  void add_beats(Time now, std::vector<trace::Mark>& out) const;

  std::deque<wire::Clocks> pairs_;                       // by uptime
  std::deque<Sent> sent_;                                // by arrival
  std::map<unsigned, std::deque<std::uint64_t>> beats_;  // uptimes of each CPU's
  std::size_t beat_count_ = 0;
  std::vector<Step> progress_, phases_;
  std::optional<Time> stopped_;
  unsigned progress_every_ = 1, progress_seen_ = 0;
};

}  // namespace ktrial::trial
