// The format: "Trace Event Format" of the Chromium project; times are microseconds.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/trace/printer.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {

namespace {

// "Processes": groups of tracks.
constexpr int kCpus = 1, kTrial = 2, kBeats = 3, kHost = 4;
constexpr int kPhases = 1, kProgress = 2;  // tracks of kTrial

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}
std::string micros(std::uint64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }

class Json {
 public:
  explicit Json(const Trace& trace) : trace_(trace) {
    switches_ = trace.formats.find("sched_switch");
    for (const CpuRing& ring : trace.rings.cpus)
      for (const Event& event : ring.events) end_ = std::max(end_, event.ns);
  }

  std::string run(const std::vector<Mark>& marks) {
    name_tracks();
    for (const CpuRing& ring : trace_.rings.cpus) add_cpu(ring);
    for (const Mark& mark : marks) add_mark(mark);
    return R"({"displayTimeUnit":"ns","traceEvents":[)" + out_ + "\n]}\n";
  }

 private:
  template <class... T>
  void add(fmt::format_string<T...> format, T&&... values) {
    out_ += out_.empty() ? "\n" : ",\n";
    fmt::format_to(std::back_inserter(out_), format, std::forward<T>(values)...);
  }

  void name_tracks() {
    const char* name = R"({{"name":"process_name","ph":"M","pid":{},"args":{{"name":"{}"}}}})";
    add(fmt::runtime(name), kCpus, "CPUs");
    add(fmt::runtime(name), kTrial, "trial");
    add(fmt::runtime(name), kBeats, "heartbeats");
    add(fmt::runtime(name), kHost, "host");
    for (const CpuRing& ring : trace_.rings.cpus)
      name_track({kCpus, static_cast<int>(ring.cpu) + 1}, fmt::format("CPU {}", ring.cpu));
  }

  struct Place {
    int group = kTrial, track = 0;
    auto operator<=>(const Place&) const = default;
  };

  void name_track(Place place, const std::string& name) {
    if (!named_.insert(place).second) return;
    add(R"({{"name":"thread_name","ph":"M","pid":{},"tid":{},"args":{{"name":"{}"}}}})",
        place.group, place.track, name);
    add(R"({{"name":"thread_sort_index","ph":"M","pid":{},"tid":{},"args":{{"sort_index":{}}}}})",
        place.group, place.track, place.track);
  }

  Place place_of(const Mark& mark) {
    const int cpu = std::max(mark.cpu, -1) + 1;
    const auto on = [&](Place place, const std::string& name) {
      name_track(place, name);
      return place;
    };
    switch (mark.track) {
      case Track::events:
        break;
      case Track::phases:
        return on({kTrial, kPhases}, "phases");
      case Track::progress:
        return on({kTrial, kProgress}, "progress");
      case Track::beats:
        return on({kBeats, cpu}, fmt::format("beats of CPU {}", mark.cpu));
      case Track::host:
        return on({kHost, cpu}, cpu == 0 ? "QEMU and ktrial" : fmt::format("vCPU {}", mark.cpu));
    }
    return {cpu == 0 ? kTrial : kCpus, cpu};
  }

  void add_mark(const Mark& mark) {
    const Place place = place_of(mark);
    if (mark.until_ns != 0)
      return add(R"({{"name":{},"cat":"mark","ph":"X","ts":{},"dur":{},"pid":{},"tid":{}}})",
                 quoted(mark.text), micros(mark.ns),
                 micros(std::max(mark.until_ns, mark.ns) - mark.ns), place.group, place.track);
    const bool global = mark.track == Track::events && mark.cpu < 0;
    add(R"({{"name":{},"cat":"mark","ph":"i","s":"{}","ts":{},"pid":{},"tid":{}}})",
        quoted(mark.text), global ? "g" : "t", micros(mark.ns), place.group, place.track);
  }

  void add_cpu(const CpuRing& ring) {
    if (ring.events.empty()) return;
    int runs = ring.events.front().pid;
    std::uint64_t since = ring.events.front().ns;
    for (const Event& event : ring.events) {
      const auto next = switches_ != nullptr && event.type == switches_->id
                            ? number(event, *switches_, "next_pid")
                            : std::nullopt;
      if (next) {
        add_slice(ring.cpu, runs, since, event.ns);
        runs = static_cast<int>(*next);
        since = event.ns;
      } else {
        add_instant(event);
      }
    }
    add_slice(ring.cpu, runs, since, end_);
  }

  // An idle CPU has nothing on its track.
  void add_slice(unsigned cpu, int pid, std::uint64_t from, std::uint64_t to) {
    if (pid == 0 || to < from) return;
    add(R"({{"name":{},"cat":"sched","ph":"X","ts":{},"dur":{},"pid":{},"tid":{}}})",
        quoted(trace_.task(pid)), micros(from), micros(to - from), kCpus, cpu + 1);
  }

  void add_instant(const Event& event) {
    add(R"({{"name":{},"cat":"event","ph":"i","s":"t","ts":{},"pid":{},"tid":{},)"
        R"("args":{{"task":{},"fields":{}{}}}}})",
        quoted(event_name(trace_, event)), micros(event.ns), kCpus, event.cpu + 1,
        quoted(trace_.task(event.pid)), quoted(event_text(trace_, event)),
        event.uncommitted ? R"(,"uncommitted":true)"
        : event.consumed  ? R"(,"consumed":true)"
                          : "");
  }

  const Trace& trace_;
  const Format* switches_ = nullptr;
  std::uint64_t end_ = 0;
  std::set<Place> named_;
  std::string out_;
};

}  // namespace

std::string to_perfetto_json(const Trace& trace, const std::vector<Mark>& marks) {
  return Json(trace).run(marks);
}

}  // namespace ktrial::trace
