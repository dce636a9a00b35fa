#include "harness/console/report.h"

#include <re2/re2.h>

#include <algorithm>

#include "harness/console/frames.h"

namespace ktrial::console {
namespace {

constexpr std::size_t kMaxExcerpt = 16 * 1024;  // bytes

// Lines of the head's own context where callers are printed, else all: an
// interleaved report of another task must not lend its frames.
std::vector<const ReportLine*> own_lines(const Report& report) {
  std::vector<const ReportLine*> own, all;
  const std::string& context = report.lines.front().context;
  for (const ReportLine& line : report.lines) {
    all.push_back(&line);
    if (line.context == context) own.push_back(&line);
  }
  return context.empty() || own.size() < 4 ? all : own;
}

using Lines = std::vector<const ReportLine*>;

// True where a second stack begins that is not the failing one.
bool begins_other_stack(std::string_view message) {
  static const RE2 kOther(
      R"(^ *(?:(?:Allocated|Freed|Last potentially|Second to last) (?:by|related)|allocated by task|freed by task|(?:Uninit|Local variable|Memory state)|Showing all locks|NMI backtrace for cpu|Sending NMI|The buggy address|page last|page has been|the existing dependency chain|-> #\d))");
  return RE2::PartialMatch(message, kOther);
}

std::string from_stack(const Lines& lines, std::size_t begin = 1) {
  bool seen = false;
  for (std::size_t i = begin; i < lines.size(); ++i) {
    const std::string& message = lines[i]->message;
    if (seen && begins_other_stack(message)) return "";
    auto frame = parse_frame(message);
    if (!frame) continue;
    seen = true;
    if (!frame->reliable || parse_ip(message)) continue;
    if (auto syscall = syscall_of(frame->function); !syscall.empty()) return syscall;
    if (!is_generic(frame->function)) return frame->function;
  }
  return "";
}

std::string from_ip(const Lines& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto ip = parse_ip(lines[i]->message);
    if (!ip) continue;
    if (!is_generic(*ip)) return *ip;
    return from_stack(lines);
  }
  return from_stack(lines);
}

std::string from_lock(const Lines& lines) {
  static const RE2 kAt(R"(\bat: (?:\[<[0-9a-f]+>\] )?(?P<F>[A-Za-z0-9_.]+)\+0x)");
  std::string function;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (!RE2::PartialMatch(lines[i]->message, kAt, &function)) continue;
    function = strip_suffix(function);
    if (!is_generic(function)) return function;
    break;
  }
  // The failing stack is the last: it follows "stack backtrace:".
  for (std::size_t i = 1; i < lines.size(); ++i)
    if (lines[i]->message.find("stack backtrace:") != std::string::npos)
      return from_stack(lines, i);
  return from_stack(lines);
}

// What the stuck CPU was asked to do: the outermost function of its stack that
// is neither entry code nor a layer that hands on. In an interrupt on an idle
// CPU or in user mode, what the interrupt did.
std::string from_stall(const Lines& lines) {
  std::vector<std::string> interrupt, task;
  std::string syscall;
  bool in_interrupt = false, started = false;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::string& message = lines[i]->message;
    if (message.find("<IRQ>") != std::string::npos) in_interrupt = true;
    if (message.find("</IRQ>") != std::string::npos || message.find("<EOI>") != std::string::npos)
      in_interrupt = false;
    const bool ends = started && (message.find("</TASK>") != std::string::npos ||
                                  message.find("Call Trace:") != std::string::npos ||
                                  begins_other_stack(message));
    if (ends && !(task.empty() && syscall.empty())) break;
    auto frame = parse_frame(message);
    if (!frame || !frame->reliable) continue;
    started = true;
    if (auto name = syscall_of(frame->function); !name.empty()) syscall = name;
    if (is_plumbing(frame->function) || is_waiter(frame->function)) continue;
    (in_interrupt ? interrupt : task).push_back(frame->function);
  }
  if (!task.empty()) return task.back();
  if (!syscall.empty()) return syscall;
  if (!interrupt.empty()) return interrupt.back();
  return "";
}

std::string find_function(const Report& report, const Lines& lines) {
  switch (report.head.rule->where) {
    case Where::none: return "";
    case Where::head: {
      const std::string function = strip_suffix(report.head.function);
      if (!function.empty() && !is_generic(function)) return function;
      const std::string other = from_stack(lines);
      return other.empty() ? function : other;
    }
    case Where::ip: return from_ip(lines);
    case Where::stack: return from_stack(lines);
    case Where::stall: return from_stall(lines);
    case Where::lock: return from_lock(lines);
  }
  return "";
}

// "Read of size 8 at addr ...": part of a KASAN title.
std::string access_of(const Lines& lines) {
  static const RE2 kAccess(R"(^ *(Read|Write) (?:of size|at addr))");
  std::string access;
  for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 6); ++i)
    if (RE2::PartialMatch(lines[i]->message, kAccess, &access)) return " " + access;
  return "";
}

void set_task(const Lines& lines, Finding& finding) {
  static const RE2 kCpu(R"(CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (\S+))");
  static const RE2 kLockup(R"(soft lockup - CPU#(\d+) stuck for \S+ \[(.+):(\d+)\])");
  int cpu = 0;
  std::string pid, comm;
  for (const ReportLine* line : lines) {
    if (!RE2::PartialMatch(line->message, kCpu, &cpu, &pid, &comm) &&
        !RE2::PartialMatch(line->message, kLockup, &cpu, &comm, &pid))
      continue;
    finding.cpu = cpu;
    finding.task = comm + "/" + pid;
    return;
  }
}

bool is_multi_cpu(Kind kind) {
  return kind == Kind::soft_lockup || kind == Kind::hard_lockup || kind == Kind::rcu_stall ||
         kind == Kind::panic;
}

}  // namespace

Finding extract(const Report& report) {
  const Lines lines = own_lines(report);
  Finding out;
  out.kind = report.head.rule->kind;
  out.severity = severity(out.kind);
  out.title = report.head.title;
  if (out.kind == Kind::kasan) out.title += access_of(lines);
  const std::string function = find_function(report, lines);
  if (report.head.rule->where != Where::none) {
    out.corrupted = function.empty();
    out.title += " in " + (function.empty() ? "corrupted" : function);
  }
  out.culprit = function;
  set_task(lines, out);
  if (is_multi_cpu(out.kind)) {
    const Culprit culprit = find_culprit(report.lines);
    out.culprit = culprit.function;
    if (!culprit.function.empty()) {
      out.cpu = culprit.cpu;
      out.task = culprit.task;
    }
  }
  out.first_line = report.lines.front().number;
  out.last_line = report.lines.back().number;
  for (const ReportLine& line : report.lines) {
    if (out.excerpt.size() + line.message.size() + 1 > kMaxExcerpt) break;
    out.excerpt += line.message + "\n";
  }
  return out;
}

}  // namespace ktrial::console
