// What a guest sends of its tracefs: whatever it is, reading ends, within bounds; a format
// that was read writes itself and reads back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/trace/collected.h"
#include "harness/trace/writers.h"

namespace {
void must(bool good) {
  if (!good) std::abort();
}
constexpr const char* kNames[] = {
    "per_cpu/cpu0/stats",
    "per_cpu/cpu0/trace_pipe_raw",
    "events/sched/sched_switch/format",
    "saved_cmdlines",
    "trace_clock",
    "kallsyms",
    "per_cpu/cpu77/stats",
    "events/format",
};
}  // namespace

// Files follow each other: which one, two bytes of length, content.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrial::trace;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (const auto format = parse_format(rest, "fuzz")) {
    const auto again = parse_format(format->text(), "fuzz");
    must(again && again->id == format->id && again->fields.size() == format->fields.size());
  }
  TraceFiles files = {
      {"per_cpu/cpu0/stats", "entries: 1\noverrun: 0\ndropped events: 0\nread events: 0\n"},
  };
  while (rest.size() >= 3) {
    const std::size_t which = data[size - rest.size()] % std::size(kNames);
    const std::size_t length = data[size - rest.size() + 1] | data[size - rest.size() + 2] << 8;
    rest.remove_prefix(3);
    std::string bytes(rest.substr(0, length));
    // A page is seldom guessed whole.
    if (which == 1) bytes.resize((bytes.size() + 4095) / 4096 * 4096);
    files[kNames[which]] = std::move(bytes);
    rest.remove_prefix(std::min(length, rest.size()));
  }
  const auto out = from_tracefs(files);
  if (!out) return 0;
  must(out->trace.count() <= kMaxEvents);
  for (const CpuRing& ring : out->trace.rings.cpus)
    for (const Event& event : ring.events) must(event.data.size() <= 4096);
  must(to_text(out->trace).size() >= out->trace.count());
  must(to_trace_dat(out->trace).size() >= 500);
  return 0;
}
