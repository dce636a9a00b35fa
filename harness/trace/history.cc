#include "harness/trace/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "harness/base/text.h"
#include "harness/trace/printer.h"
#include "harness/trace/slice.h"

namespace ktrial::trace {

namespace {

constexpr std::int64_t kUninterruptible = 2;  // TASK_UNINTERRUPTIBLE
constexpr std::size_t kLongestComm = 15;      // TASK_COMM_LEN less its NUL

// What follows "KEY=" in " KEY=VALUE NEXT=...": a name may have blanks in it.
std::optional<std::string_view> value(std::string_view text, std::string_view key) {
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const std::string_view rest = text.substr(at + key.size());
    if (!rest.starts_with('=') || (at > 0 && text[at - 1] != ' ')) continue;
    const std::size_t next = std::min(rest.find('=', 1), rest.find(" ==>"));
    std::string_view out = rest.substr(1, next == std::string_view::npos ? next : next - 1);
    // Up to the blank before the next key.
    if (next < rest.size() && rest[next] == '=') out = out.substr(0, out.rfind(' '));
    return out;
  }
  return std::nullopt;
}

std::optional<int> pid_in(std::string_view text, std::string_view key) {
  const auto found = value(text, key);
  return found ? to_number<int>(*found) : std::nullopt;
}

// "D", "D|K", "R+"; a number where the format could not be printed.
bool is_disk_sleep(std::string_view state) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(state.data(), state.data() + state.size(), number);
  if (error == std::errc()) return (number & kUninterruptible) != 0;
  return state.starts_with('D');
}

void learn(std::map<int, std::string>& names, std::string_view text, std::string_view name_key,
           std::string_view pid_key) {
  const auto name = value(text, name_key);
  const auto pid = pid_in(text, pid_key);
  if (name && pid && *pid != 0) names[*pid] = name->substr(0, kLongestComm);
}

bool take_mark(std::string_view& text, std::string_view mark) {
  if (!text.ends_with(mark)) return false;
  text.remove_suffix(mark.size());
  return true;
}

// "comm-pid [cpu] seconds: event: fields"
std::optional<Moment> read_line(std::string_view line, std::map<int, std::string>& names) {
  const auto place = place_of(line);
  if (!place) return std::nullopt;
  Moment out{.cpu = place->cpu, .ns = place->us * 1000};
  const std::size_t bracket = place->at;
  const std::string_view task = trimmed(line.substr(0, bracket), " ");
  const std::size_t dash = task.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view pid = task.substr(dash + 1);
  if (std::from_chars(pid.data(), pid.data() + pid.size(), out.pid).ec != std::errc())
    return std::nullopt;
  if (out.pid != 0 && !task.starts_with('<'))
    names.try_emplace(out.pid, task.substr(0, std::min(dash, kLongestComm)));
  std::string_view rest = line.substr(bracket);
  rest.remove_prefix(rest.find(": ") + 2);  // place_of() has seen it
  const std::size_t colon = std::min(rest.find(": "), rest.size());
  out.event = trimmed(rest.substr(0, colon), " ");
  rest.remove_prefix(std::min(colon + 2, rest.size()));
  out.doubtful = take_mark(rest, "  <uncommitted>") || take_mark(rest, "  <damaged>");
  take_mark(rest, "  <consumed>");
  out.text = rest;
  understand(out, names);
  return out;
}

// "CPU=PID ..."
std::map<unsigned, int> read_running(std::string_view text) {
  std::map<unsigned, int> out;
  const auto take = [&](auto& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
  };
  unsigned cpu = 0;
  int pid = 0;
  while (take(cpu) && text.starts_with('=')) {
    text.remove_prefix(1);
    if (!take(pid)) break;
    out[cpu] = pid;
    text = trimmed(text, " ");
  }
  return out;
}

}  // namespace

std::string History::task(int pid) const {
  if (pid == 0) return "idle";
  const auto it = names.find(pid);
  return fmt::format("{}/{}", it == names.end() ? "?" : it->second, pid);
}

std::uint64_t History::end_ns() const {
  std::uint64_t out = 0;
  for (const Moment& one : moments) out = std::max(out, one.ns);
  return out;
}

void understand(Moment& moment, std::map<int, std::string>& names) {
  const std::string_view text = moment.text;
  if (moment.event == "sched_switch") {
    const auto from = pid_in(text, "prev_pid"), to = pid_in(text, "next_pid");
    const auto state = value(text, "prev_state");
    if (!from || !to || !state) return;
    moment.act = Act::task_switch;
    moment.from = *from;
    moment.to = *to;
    moment.to_sleep = is_disk_sleep(*state);
    learn(names, text, "prev_comm", "prev_pid");
    learn(names, text, "next_comm", "next_pid");
  } else if (moment.event == "sched_process_fork") {
    const auto child = pid_in(text, "child_pid");
    if (!child) return;
    moment.act = Act::fork;
    moment.to = *child;
    moment.from = pid_in(text, "pid").value_or(moment.pid);
    learn(names, text, "child_comm", "child_pid");
  }
}

History history_of(const Trace& trace, bool with_text) {
  const Format* switches = trace.formats.find("sched_switch");
  const Format* forks = trace.formats.find("sched_process_fork");
  History out{.names = trace.names, .source = "RAM"};
  out.moments.reserve(trace.count());
  for (const Event* event : trace.by_time()) {
    Moment one{.cpu = event->cpu, .ns = event->ns, .pid = event->pid};
    one.doubtful = event->uncommitted;
    const auto pid = [&](const Format& format, const char* field) -> std::optional<int> {
      const auto found = number(*event, format, field);
      return found ? std::optional(static_cast<int>(*found)) : std::nullopt;
    };
    if (switches != nullptr && event->type == switches->id) {
      const auto from = pid(*switches, "prev_pid"), to = pid(*switches, "next_pid");
      const auto state = number(*event, *switches, "prev_state");
      if (from && to && state) {
        one.act = Act::task_switch;
        one.from = *from;
        one.to = *to;
        one.to_sleep = (*state & kUninterruptible) != 0;
      }
    } else if (forks != nullptr && event->type == forks->id) {
      const auto parent = pid(*forks, "parent_pid"), child = pid(*forks, "child_pid");
      if (parent && child) {
        one.act = Act::fork;
        one.from = *parent;
        one.to = *child;
      }
    }
    if (with_text) {
      one.event = event_name(trace, *event);
      one.text = event_text(trace, *event);
    }
    out.moments.push_back(std::move(one));
  }
  if (trace.rings.on) out.running = trace.running;
  for (const CpuRing& ring : trace.rings.cpus)
    if (!ring.complete())
      out.missing.push_back(fmt::format("CPU {}: {} of {} events{}{}", ring.cpu, ring.found(),
                                        ring.expected(), ring.trouble.empty() ? "" : ": ",
                                        ring.trouble));
  for (const std::string& trouble : {trace.rings.trouble, trace.formats.trouble})
    if (!trouble.empty()) out.missing.push_back(trouble);
  return out;
}

History read_text(std::string_view text) {
  constexpr std::string_view kPartial = "# PARTIAL: ", kSource = "# source: ";
  constexpr std::string_view kRunning = "# running: ";
  History out{.source = "RAM"};
  while (const auto line = take_line(text)) {
    if (line->starts_with(kPartial)) {
      out.missing.emplace_back(line->substr(kPartial.size()));
    } else if (line->starts_with(kRunning)) {
      out.running = read_running(line->substr(kRunning.size()));
    } else if (line->starts_with(kSource)) {
      out.source = line->substr(kSource.size());
    } else if (auto one = read_line(*line, out.names)) {
      out.moments.push_back(std::move(*one));
    }
  }
  return out;
}

std::string to_text(const History& history) {
  std::string out = "# source: " + history.source + "\n";
  for (const std::string& why : history.missing) out += "# PARTIAL: " + why + "\n";
  for (const Moment& one : history.moments) {
    const auto name = history.names.find(one.pid);
    const std::string task = one.pid == 0                  ? "<idle>"
                             : name == history.names.end() ? "<...>"
                                                           : name->second;
    const std::uint64_t us = (one.ns + 500) / 1000;  // as `trace` rounds it
    fmt::format_to(std::back_inserter(out), "{:>16}-{:<7} [{:03}] {:5}.{:06}: {}: {}{}\n", task,
                   one.pid, one.cpu, us / 1000000, us % 1000000, one.event, one.text,
                   one.doubtful ? "  <damaged>" : "");
  }
  return out;
}

}  // namespace ktrial::trace
