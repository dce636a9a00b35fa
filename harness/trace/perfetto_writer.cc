// The format: "Trace Event Format" of the Chromium project; times are microseconds.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "harness/trace/printer.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {

namespace {

constexpr int kCpus = 1, kTrial = 2;  // "processes": groups of tracks

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
    for (const Mark& mark : marks) {
      const bool global = mark.cpu < 0;
      add(R"({{"name":{},"cat":"mark","ph":"i","s":"{}","ts":{},"pid":{},"tid":{}}})",
          quoted(mark.text), global ? "g" : "t", micros(mark.ns), global ? kTrial : kCpus,
          mark.cpu + 1);
    }
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
    for (const CpuRing& ring : trace_.rings.cpus) {
      add(R"({{"name":"thread_name","ph":"M","pid":{},"tid":{},"args":{{"name":"CPU {}"}}}})",
          kCpus, ring.cpu + 1, ring.cpu);
      add(R"({{"name":"thread_sort_index","ph":"M","pid":{},"tid":{},"args":{{"sort_index":{}}}}})",
          kCpus, ring.cpu + 1, ring.cpu);
    }
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
  std::string out_;
};

}  // namespace

std::string to_perfetto_json(const Trace& trace, const std::vector<Mark>& marks) {
  return Json(trace).run(marks);
}

}  // namespace ktrial::trace
