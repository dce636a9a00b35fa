#include "harness/spec/trace_request.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "harness/spec/parse.h"

namespace ktrial::spec {
namespace {

struct Preset {
  const char* name;
  const char* events;
  std::string arch::Arch::* more = nullptr;  // that only this architecture has
};
// Systems with a star where what they hold differs between kernels.
constexpr Preset kPresets[] = {
    {"sched",
     "sched:sched_switch,sched:sched_wakeup,sched:sched_wakeup_new,sched:sched_waking,"
     "sched:sched_migrate_task,sched:sched_process_fork,sched:sched_process_exec,"
     "sched:sched_process_exit"},
    {"fork",
     "sched:sched_process_fork,sched:sched_process_exec,sched:sched_process_exit,"
     "sched:sched_process_wait,sched:sched_wakeup_new,task:task_newtask"},
    {"rcu", "rcu:*"},
    {"ipi", "ipi:*,csd:*", &arch::Arch::ipi_events},
    {"irq", "irq:*", &arch::Arch::timer_events},
    {"mmcid", "mmcid:*"},
};

// Those that count nanoseconds.
constexpr std::array<std::string_view, 7> kClocks = {"local",    "global", "perf", "mono",
                                                     "mono_raw", "boot",   "tai"};
constexpr int kBlackBoxKib = 512, kTraceKib = 4096;
// Of the guest's RAM, at most, unless more is asked for.
constexpr int kMemoryPart = 8;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool is_glob(std::string_view text) {
  std::string plain(text);
  std::erase_if(plain, [](char c) { return c == '*' || c == '?' || c == '.'; });
  return text.size() <= 128 && (plain.empty() ? !text.empty() : is_name(plain));
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 127; });
}

// At commas, but not within quotes, parentheses or braces, as filters have them.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  std::size_t begin = 0;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '(' || c == '{') ++depth;
    if (c == ')' || c == '}') --depth;
    if (c != ',' || depth > 0) continue;
    out.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  out.push_back(text.substr(begin));
  return out;
}

std::string preset_names() {
  std::string out;
  for (const Preset& preset : kPresets) out += (out.empty() ? "" : ", ") + std::string(preset.name);
  return out;
}

std::unexpected<Error> no_item(std::string_view item) {
  std::vector<std::string> known = {"off"};
  for (const Preset& preset : kPresets) known.emplace_back(preset.name);
  const std::string meant = suggest(item, known);
  return usage_error(in_quotes(item) +
                     " is neither SYSTEM:EVENT[:FILTER], function:GLOB, off nor one of " +
                     preset_names() + (meant.empty() ? "" : "; did you mean '" + meant + "'?"));
}

// An event named twice is a slip, but a preset may hold one that was named, too.
Status add(TraceRequest& out, TraceEvent event) {
  for (TraceEvent& known : out.events) {
    if (known.full() != event.full()) continue;
    if (known.preset.empty() && event.preset.empty())
      return usage_error(in_quotes(event.full()) + " is asked for twice");
    if (event.preset.empty()) known = std::move(event);
    return {};
  }
  out.events.push_back(std::move(event));
  return {};
}

Result<TraceEvent> parse_event(std::string_view item) {
  const std::size_t first = item.find(':');
  const std::size_t second = std::min(item.find(':', first + 1), item.size());
  TraceEvent event{.system = std::string(item.substr(0, first)),
                   .name = std::string(item.substr(first + 1, second - first - 1)),
                   .filter = std::string(item.substr(std::min(second + 1, item.size())))};
  if (!is_name(event.system) || (event.name != "*" && !is_name(event.name)))
    return usage_error(in_quotes(item) + " is not SYSTEM:EVENT[:FILTER]",
                       "write it like sched:sched_switch, sched:* or "
                       "'sched:sched_switch:prev_pid == 7'");
  if (second < item.size() && event.filter.empty())
    return usage_error(in_quotes(item) + " has an empty filter");
  return event;
}

Status add_item(TraceRequest& out, std::string_view item) {
  constexpr std::string_view kFunction = "function:";
  if (item.starts_with(kFunction)) {
    const std::string_view glob = item.substr(kFunction.size());
    if (!is_glob(glob))
      return usage_error(in_quotes(item) + " names no function",
                         "write it like function:vfs_* (* and ? stand for any letters)");
    if (std::ranges::find(out.functions, glob) == out.functions.end())
      out.functions.emplace_back(glob);
    return {};
  }
  if (item.find(':') != std::string_view::npos) return add(out, KTRIAL_TRY(parse_event(item)));
  const auto* preset =
      std::ranges::find_if(kPresets, [&](const Preset& p) { return item == p.name; });
  if (preset == std::end(kPresets)) return no_item(item);
  std::string events = preset->events;
  if (preset->more != nullptr && !(arch::native().*preset->more).empty())
    events += "," + arch::native().*preset->more;
  for (std::string_view name : split(events)) {
    TraceEvent event = KTRIAL_TRY(parse_event(name));
    event.preset = preset->name;
    KTRIAL_TRY(add(out, std::move(event)));
  }
  return {};
}

}  // namespace

Result<TraceRequest> parse_trace(std::string_view text) {
  TraceRequest out;
  if (text.empty()) return out;
  if (text.size() > kMaxTraceText || !is_printable(text))
    return usage_error("must be at most " + std::to_string(kMaxTraceText) +
                       " printable characters, not " + in_quotes(text));
  for (std::string_view item : split(text)) {
    if (item == "off")
      out.off = true;
    else
      KTRIAL_TRY(add_item(out, item));
  }
  if (out.off && out.any()) return usage_error("'off' and events exclude each other");
  if (out.events.size() + out.functions.size() > kMaxTraceEvents)
    return usage_error("names more than " + std::to_string(kMaxTraceEvents) + " events");
  return out;
}

Result<int> parse_trace_buffer(std::string_view text) {
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(stop - text.data()));
  const bool mib = unit == "M" || unit == "MB" || unit == "MiB";
  const bool kib = unit == "K" || unit == "KB" || unit == "KiB" || unit == "k";
  if (error != std::errc() || value <= 0 || (!mib && !kib))
    return usage_error(in_quotes(text) + " is not a buffer's size; write it like 512K or 4M");
  if (value > kMaxTraceKib || value * (mib ? 1024LL : 1LL) < kMinTraceBufferKib ||
      value * (mib ? 1024LL : 1LL) > kMaxTraceKib)
    return usage_error(in_quotes(text) + " is outside " + std::to_string(kMinTraceBufferKib) +
                       "K.." + std::to_string(kMaxTraceKib >> 10) + "M");
  return mib ? value * 1024 : value;
}

int trace_buffer_kib(const TrialSpec& spec, const TraceRequest& request) {
  if (spec.trace_buffer_kib != 0) return spec.trace_buffer_kib;
  if (!request.any()) return kBlackBoxKib;
  const int cpus = std::max(1, spec.cpus);
  const int most = std::min(kMaxTraceKib, spec.memory_mib * (1024 / kMemoryPart)) / cpus;
  return std::max(kMinTraceBufferKib, std::min(kTraceKib, most));
}

// Seen the same in 6.1 to 6.19. An RCU stall and a hung task have an event just before their
// report (kernel/rcu/tree_stall.h, tree_exp.h; kernel/hung_task.c). A lockup has none: after its
// first line it calls print_modules() (kernel/watchdog.c), as do a WARN and an oops, which are as
// good a reason to stop. Pools of workers are shown by show_all_workqueues() (kernel/workqueue.c).
std::vector<std::string> stop_points(const std::string& trace_stop) {
  if (trace_stop.empty() || trace_stop == kStopAtWarning) return {};
  if (trace_stop != kStopAtStall) return {trace_stop};
  return {"print_modules", "show_all_workqueues", "rcu:rcu_stall_warning",
          "sched:sched_process_hang"};
}

std::string trace_problems(const TrialSpec& spec) {
  std::string out;
  auto problem = [&](const std::string& line) { out += (out.empty() ? "" : "\n") + line; };
  const auto request = parse_trace(spec.trace);
  if (!request)
    problem("trace: " + request.error().message +
            (request.error().hint.empty() ? "" : "; " + request.error().hint));
  const bool more =
      spec.trace_buffer_kib != 0 || !spec.trace_clock.empty() || !spec.trace_stop.empty();
  if (request && request->off && more)
    problem("trace: 'off' leaves nothing for trace_buffer, trace_clock and trace_stop to apply to");
  if (std::int64_t{spec.trace_buffer_kib} * spec.cpus > kMaxTraceKib)
    problem("trace_buffer: " + std::to_string(spec.trace_buffer_kib) + "K for each of " +
            std::to_string(spec.cpus) + " CPUs is more than " + std::to_string(kMaxTraceKib >> 10) +
            "M");
  if (spec.trace_buffer_kib / 1024 * spec.cpus > spec.memory_mib / 2)
    problem("trace_buffer: takes more than half of the guest's memory");
  if (!spec.trace_clock.empty() && std::ranges::find(kClocks, spec.trace_clock) == kClocks.end()) {
    std::string known;
    for (std::string_view clock : kClocks)
      known += (known.empty() ? "" : ", ") + std::string(clock);
    problem("trace_clock: " + in_quotes(spec.trace_clock) + " is not one of " + known);
  }
  if (!spec.trace_stop.empty() && !is_name(spec.trace_stop))
    problem("trace_stop: " + in_quotes(spec.trace_stop) + " is no function's name, nor '" +
            kStopAtWarning + "' or '" + kStopAtStall + "'");
  return out;
}

}  // namespace ktrial::spec
