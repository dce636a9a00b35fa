#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "harness/trace/ring_page.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {

namespace {

constexpr std::size_t kFilePage = 4096;

// As events/header_page and events/header_event on 64-bit kernels.
constexpr std::string_view kHeaderPage =
    "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
    "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
    "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
    "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";
constexpr std::string_view kHeaderEvent =
    "# compressed entry header\n"
    "\ttype_len    :    5 bits\n"
    "\ttime_delta  :   27 bits\n"
    "\tarray       :   32 bits\n"
    "\n"
    "\tpadding     : type == 29\n"
    "\ttime_extend : type == 30\n"
    "\ttime_stamp : type == 31\n"
    "\tdata max type_len  == 28\n";

class Bytes {
 public:
  template <class T>
  void number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void raw(std::string_view bytes) { out_.append(bytes); }
  void name(std::string_view text) { out_.append(text).push_back('\0'); }
  // The bytes after their length in a T.
  template <class T>
  void sized(std::string_view bytes) {
    number(static_cast<T>(bytes.size()));
    raw(bytes);
  }
  void pad() { out_.resize((out_.size() + kFilePage - 1) / kFilePage * kFilePage, '\0'); }
  template <class T>
  void patch(std::size_t at, T value) {
    std::memcpy(&out_[at], &value, sizeof value);
  }
  std::size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void add_formats(const Formats& formats, Bytes& out) {
  std::map<std::string, std::vector<const Format*>> systems;
  for (const auto& [id, format] : formats.by_id) systems[format.system].push_back(&format);
  const auto internal = systems["ftrace"];
  systems.erase("ftrace");
  out.number(static_cast<std::uint32_t>(internal.size()));
  for (const Format* format : internal) out.sized<std::uint64_t>(format->text());
  out.number(static_cast<std::uint32_t>(systems.size()));
  for (const auto& [system, list] : systems) {
    out.name(system);
    out.number(static_cast<std::uint32_t>(list.size()));
    for (const Format* format : list) out.sized<std::uint64_t>(format->text());
  }
}

std::string saved_names(const Trace& trace) {
  std::string out;
  for (const auto& [pid, name] : trace.names)
    if (pid > 0) out += fmt::format("{} {}\n", pid, name);
  return out;
}

// As /proc/kallsyms has them; empty unless a format prints addresses: they are long.
std::string symbols_of(const Trace& trace) {
  const bool wanted = std::ranges::any_of(trace.formats.by_id, [](const auto& one) {
    return one.second.print_fmt.find("%p") != std::string::npos || one.second.name == "function";
  });
  std::string out;
  if (!wanted || trace.symbols == nullptr) return out;
  for (const introspect::Symbol& symbol : trace.symbols->all()) {
    out += fmt::format("{:016x} {} {}", symbol.address, symbol.type, symbol.name);
    if (!symbol.module.empty()) out += "\t[" + symbol.module + "]";
    out += '\n';
  }
  return out;
}

bool holds_committed(const RingPage& page) {
  const auto contents = parse_page(page.bytes);
  return contents && contents->committed > 0 && page.bytes.size() == kFilePage;
}

}  // namespace

std::string to_trace_dat(const Trace& trace) {
  Bytes out;
  out.raw({"\x17\x08\x44tracing", 10});
  out.name("6");
  out.number(std::uint8_t{0});  // little endian
  out.number(std::uint8_t{8});  // bytes of a long
  out.number(static_cast<std::uint32_t>(kFilePage));
  out.name("header_page");
  out.sized<std::uint64_t>(kHeaderPage);
  out.name("header_event");
  out.sized<std::uint64_t>(kHeaderEvent);
  add_formats(trace.formats, out);
  out.sized<std::uint32_t>(symbols_of(trace));
  out.sized<std::uint32_t>("");  // formats of trace_printk
  out.sized<std::uint64_t>(saved_names(trace));

  unsigned cpus = 0;
  for (const CpuRing& ring : trace.rings.cpus) cpus = std::max(cpus, ring.cpu + 1);
  out.number(cpus);
  out.raw({"flyrecord\0", 10});
  const std::size_t table = out.size();
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    out.number(std::uint64_t{0});
    out.number(std::uint64_t{0});
  }
  for (const CpuRing& ring : trace.rings.cpus) {
    out.pad();
    const std::size_t begin = out.size();
    for (const RingPage& page : ring.pages)
      if (holds_committed(page))
        out.raw({reinterpret_cast<const char*>(page.bytes.data()), page.bytes.size()});
    out.patch<std::uint64_t>(table + 16 * ring.cpu, begin);
    out.patch<std::uint64_t>(table + 16 * ring.cpu + 8, out.size() - begin);
  }
  return out.take();
}

}  // namespace ktrial::trace
