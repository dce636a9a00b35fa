#include "harness/console/report.h"

#include <re2/re2.h>

#include <utility>

namespace ktrial::console {
namespace {

constexpr std::size_t kMaxStacks = 96;
constexpr std::size_t kMaxFrames = 192;
constexpr std::size_t kMaxExcerpt = 16 * 1024;

template <class... Out>
bool find(std::string_view text, const RE2& re, Out*... out) {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), re, out...);
}

// Whether it begins with one of these bytes. Most lines are frames: this spares them the patterns.
bool starts(std::string_view body, std::string_view with) {
  return with.find(body.front()) != with.npos;
}

// Numbers differ from run to run; a title must not.
std::string out_title(const std::string& title, Kind kind) {
  static const RE2 address(R"(\b(?:0x[0-9a-fA-F]+|[0-9a-f]{8}|[0-9a-f]{16})\b)");
  static const RE2 number(R"((\b|[a-z])\d+\b)");
  std::string out = title.substr(0, 200);
  if (kind == Kind::test_harness || kind == Kind::panic || kind == Kind::bug) {
    RE2::GlobalReplace(&out, address, "ADDR");
    if (kind != Kind::panic) RE2::GlobalReplace(&out, number, "\\1NUM");
  }
  while (!out.empty() && (out.back() == ' ')) out.pop_back();
  return out;
}

// A race has two sides, in no order.
std::string both_sides(std::string_view a, std::string_view b) {
  std::string one = source_name(a.substr(0, a.find('+')));
  std::string two = source_name(b.substr(0, b.find('+')));
  if (two < one) std::swap(one, two);
  return one + " / " + two;
}

}  // namespace

Report::Report(Head head, const Line& line)
    : head_(std::move(head)),
      head_line_(line.body.substr(0, 256)),
      caller_type_(line.caller_type),
      caller_(line.caller),
      first_line_(line.number),
      last_line_(line.number) {
  keep_text(line);
  excerpt_told_ = excerpt_.size();
}

void Report::keep_text(const Line& line) {
  if (excerpt_.size() + line.body.size() + 1 > kMaxExcerpt) return;
  excerpt_.append(line.body);
  excerpt_.push_back('\n');
}

void Report::start_stack(StackRole role) {
  if (stacks_.size() >= kMaxStacks) return;
  stacks_.push_back({});
  stacks_.back().role = role;
}

Stack& Report::current() {
  if (stacks_.empty()) start_stack(next_role_);
  return stacks_.back();
}

// Of a stack that overflowed both ends tell something; the middle does not.
void Report::push(Frame frame) {
  std::vector<Frame>& frames = current().frames;
  if (!frames.empty() && !frames.back().pointer && !frame.pointer && !frame.caller.empty() &&
      frames.back().symbol == frame.symbol)
    return;  // arm: the caller of the line before
  if (frames.size() >= kMaxFrames) frames.erase(frames.begin() + kMaxFrames / 2);
  frames.push_back(std::move(frame));
}

// A trap's report starts with "CPU: ... Comm:", its stack with "Call Trace:" or a pointer.
void Report::disown_frames() {
  const bool trap = head_.rule->role != Role::start || head_.rule->pick == Pick::pointer;
  if (!trap || stack_announced_ || stacks_.size() != 1 || stacks_[0].role != StackRole::main)
    return;
  for (const Frame& frame : stacks_[0].frames)
    if (frame.pointer && !frame.symbol.empty()) return;
  stacks_[0].role = StackRole::orphan;
}

bool Report::same_writer(const Line& line) const {
  return caller_type_ == 0 || line.caller_type == 0 ||
         (line.caller_type == caller_type_ && line.caller == caller_);
}

bool Report::entangle(const Line& line, const Rule& other) {
  constexpr std::uint64_t kAtOnce = 3, kHead = 12;
  const bool waits = head_.rule->pick != Pick::none && head_.rule->pick != Pick::head;
  // What prints a report may fault itself: the stack is that of both.
  const bool told_by_same = line.caller_type != 0 && severity_of(other.kind) >= 90;
  const std::uint64_t lines = line.caller_type == 0 ? kAtOnce : told_by_same ? kHead : 0;
  if (waits && !traced_ && stacks_.empty() && lines_seen_ <= lines) entangled_ = true;
  return entangled();
}

void Report::add(const Line& line) {
  if (!line.body.empty()) ++lines_seen_;
  if (head_.rule->kind == Kind::rust_panic && lines_seen_ == 1 && !line.body.empty())
    head_.title = std::string(line.body);
  keep_text(line);
  const bool told = (stall() || same_writer(line)) && read(line);
  if (!told) {
    ++silent_;
    return;
  }
  silent_ = 0;
  last_line_ = line.number;
  excerpt_told_ = excerpt_.size();
}

void Report::add(const Head& part, const Line& line) {
  if (head_.oops_number < 0) head_.oops_number = part.oops_number;
  add(line);
}

// Each step goes on where the one before it found nothing of its own.
bool Report::read(const Line& line) {
  const std::string_view body = line.body;
  if (body.empty()) return false;
  return read_cpu(body) || read_stack_head(body) || read_lock_site(body) || announces(body) ||
         read_frame(body) || is_detail(body);
}

// Whose stack follows: a CPU and its task.
bool Report::read_cpu(std::string_view body) {
  static const RE2 nmi(R"(^NMI backtrace for cpu (\d+)( skipped: idling)?)");
  static const RE2 cpu_line(
      R"(^CPU: (\d+) (?:UID: \d+ )?PID: \d+ Comm: (.+?)(?: (?:Not tainted|Tainted|Kdump: |[a-zA-Z]* *\d+\.\d+|\d+\.\d+)| ?$))");
  static const RE2 old_cpu_line(R"(^Pid: \d+, comm: (.+?) (?:Not tainted|Tainted))");
  int cpu = -1;
  std::string text;
  if (starts(body, "N") && find(body, nmi, &cpu, &text)) {
    start_stack(StackRole::nmi);
    next_role_ = StackRole::main;
    current().cpu = cpu;
    current().idle = !text.empty();
    return true;
  }
  if (starts(body, "C") && find(body, cpu_line, &cpu, &text)) {
    disown_frames();
    if (stacks_.empty() || !stacks_.back().frames.empty())
      start_stack(next_role_ == StackRole::alloc_or_free ? StackRole::main : next_role_);
    next_role_ = StackRole::main;
    Stack& stack = current();
    stack.cpu = cpu;
    stack.task = text;
    if (!head_.cpu) head_.cpu = cpu;
    if (head_.task.empty()) head_.task = text;
    return true;
  }
  if (starts(body, "P") && find(body, old_cpu_line, &text)) {
    current().task = text;
    if (head_.task.empty()) head_.task = text;
    return true;
  }
  return false;
}

// What kind of stack follows, or what its kind of report tells in front of it.
bool Report::read_stack_head(std::string_view body) {
  static const RE2 alloc(
      R"(^(?:Allocated by|Freed by|Uninit was|Local variable|Last potentially|Second to last|Allocated:|Freed:|kfence-#|page last |Originally allocated|Memory state|freed by|allocated by))");
  static const RE2 chain(R"(^-> #\d+ )");
  static const RE2 access(R"(^(?:Read|Write) (?:of size|at addr))");
  static const RE2 task_dump(R"(^Task dump for CPU (\d+))");
  static const RE2 last_function(R"(^ *last function: (\S+))");
  std::string text;
  if ((starts(body, "-") && find(body, chain)) || body.ends_with("state was registered at:")) {
    start_stack(StackRole::lock_chain);
    return true;
  }
  if (starts(body, "RW") && find(body, access)) {
    if (access_.empty()) access_ = body.starts_with("Write") ? "Write" : "Read";
    return true;
  }
  if (starts(body, "AFULSMOkpfa") && find(body, alloc)) {
    // A bad page's own report has no better stack than the one that allocated it.
    start_stack(head_.rule->kind == Kind::bad_page ? StackRole::main : StackRole::alloc_or_free);
    return true;
  }
  if (int dumped = -1; starts(body, "T") && find(body, task_dump, &dumped)) {
    next_role_ = StackRole::main;
    start_stack(StackRole::main);
    current().cpu = dumped;
    return true;
  }
  if (head_.rule->kind == Kind::atomic_sleep && find(body, last_function, &text)) {
    head_.function = text;
    return true;
  }
  if (head_.rule->kind == Kind::workqueue_lockup && read_workqueue(body)) return true;
  if (body.starts_with("stack backtrace:")) {
    start_stack(StackRole::main);
    return true;
  }
  if (body.find("kthread stack dump") != body.npos || body.starts_with("Showing all locks") ||
      body.find(" kthread starved for ") != body.npos) {
    next_role_ = StackRole::other_task;
    start_stack(StackRole::other_task);
    return true;
  }
  return false;
}

// "at: FUNCTION" of a lock, or on the next line.
bool Report::read_lock_site(std::string_view body) {
  static const RE2 at_lock(R"(at: (?:\[<[0-9a-f]+>\] )?(\S.*)$)");
  static const RE2 held(R"(^ *#\d+: )");
  std::string text;
  if (body.find("at: ") != body.npos && find(body, at_lock, &text)) {
    if (head_.rule->kind == Kind::lockdep && find(body, held)) return true;  // not what it is about
    if (std::string symbol = first_symbol(text);
        !symbol.empty() && lock_sites_.size() < kLockSites) {
      lock_sites_.push_back(symbol);
      if (body.find("(rcu_read_lock") != body.npos) rcu_sites_.push_back(std::move(symbol));
    }
    return true;
  }
  if (body.ends_with(" at:") && body.find("lock") != body.npos &&
      body.find("which became") == body.npos) {
    expects_lock_site_ = true;
    return true;
  }
  return false;
}

// "Call Trace:" and the like: frames follow.
bool Report::announces(std::string_view body) {
  static const RE2 trace(
      R"(^(?:Call [Tt]race:|Backtrace:|Stack:$|backtrace:|backtrace \(crc|Trace:))");
  if (starts(body, "CBSbT") && find(body, trace)) {
    stack_announced_ = true;
    bool traced = false;
    if (!stacks_.empty())
      for (const Frame& frame : stacks_.back().frames) traced = traced || !frame.pointer;
    if (stacks_.empty() || traced) start_stack(next_role_);
    return true;
  }
  if (body.starts_with("rcu: Stack dump where RCU GP kthread last ran")) {
    next_role_ = StackRole::main;
    start_stack(StackRole::main);
    return true;
  }
  if (body.find("abled at") != body.npos && body.ends_with(':')) {
    expects_other_site_ = true;
    return true;
  }
  return false;
}

bool Report::read_frame(std::string_view body) {
  if (const auto pointer = parse_pointer(body)) {
    push(*pointer);
    return true;
  }
  const auto frame = parse_frame(body);
  if (!frame) return false;
  if (std::exchange(expects_lock_site_, false)) {
    if (lock_sites_.size() < kLockSites) lock_sites_.push_back(frame->symbol);
    return true;
  }
  if (std::exchange(expects_other_site_, false)) return true;
  traced_ = true;
  push(*frame);
  if (!frame->caller.empty()) {
    Frame caller;
    caller.symbol = frame->caller;
    caller.syscall = is_syscall(caller.symbol);
    push(caller);
  }
  return true;
}

// Lines that belong to a report and tell nothing that is kept.
bool Report::is_detail(std::string_view body) {
  static const RE2 old_task(R"(^(\S+) +[RDSIZTX]\s*(?:running task|[0-9a-f]{8,}|\d+)\s+.*\d)");
  static const RE2 detail(
      R"(^(?:---\[|Code:|[RE]?[A-D]X:|R[0-9SDBI][0-9PI]:|RSP:|[CDF][RS]\d?:|x\d+ ?:|r\d+ ?:|Modules linked in|)"
      R"(Hardware name|Workqueue:|Kernel Offset|Rebooting in|Tainted:|Sending NMI|rcu: |\t|)"
      R"(The buggy address|Memory state|page:|raw:|flags:|#PF|PGD|Oops|Internal error|stack backtrace|)"
      R"( \*\*\* DEADLOCK|other info|but task is|which lock|Showing|\d+ locks? held|no locks held| #\d+:))");
  if (body.starts_with("Kernel panic - not syncing")) return true;
  if (head_.rule->pick == Pick::stall && find(body, old_task)) start_stack(StackRole::main);
  return find(body, detail);
}

// "workqueue W:", "pwq 4: cpus=2 ...", "in-flight: 118:function": the work that keeps the pool of
// the head line busy. Source: show_pwq() and show_one_worker_pool() in kernel/workqueue.c.
bool Report::read_workqueue(std::string_view body) {
  static const RE2 pool("\\bcpus=(\\S+)");
  static const RE2 in_flight("in-flight: \\d+(?:\\(RESCUER\\))?:([^\\s,]+)");
  std::string text;
  if (body.find(" pwq ") != body.npos && find(body, pool, &text)) pwq_cpus_ = text;
  if (find(body, in_flight, &text)) {
    std::string cpus;
    find(head_line_, pool, &cpus);
    if (in_flight_.empty() || (!in_flight_in_pool_ && pwq_cpus_ == cpus)) {
      in_flight_ = source_name(text);
      in_flight_in_pool_ = pwq_cpus_ == cpus;
    }
    return true;
  }
  static const RE2 detail(
      "^(?:Showing |workqueue |  pwq |pool |    (?:pending|inactive|delayed): )");
  return find(body, detail);
}

Finding Report::finding() const {
  Finding out;
  out.kind = head_.rule->kind;
  out.title = out_title(head_.title, out.kind);
  if (!access_.empty() && out.kind == Kind::kasan &&
      out.title.find("-free") + 5 != out.title.size())
    out.title += " " + access_;
  else if (!access_.empty() && out.kind == Kind::kasan &&
           out.title.find("use-after-free") != out.title.npos)
    out.title += " " + access_;
  std::string function =
      !head_.function.empty() && head_.rule->kind == Kind::atomic_sleep
          ? head_.function
          : title_function(*head_.rule,
                           source_name(head_.function.substr(0, head_.function.find('+'))),
                           head_.cpu, stacks_, lock_sites_);
  if (const auto slot = out.title.find("{F}"); slot != out.title.npos)
    out.title.replace(slot, 3, function.empty() ? "unknown" : function);
  else if (out.kind == Kind::kcsan && head_.captures.size() > 2 && !head_.captures[2].empty())
    out.title += " in " + both_sides(head_.captures[1], head_.captures[2]);
  else if (!function.empty())
    out.title += " in " + function;
  else if (out.kind == Kind::lockdep && !head_.captures.empty())
    out.title = "WARNING: " + head_.captures[0];
  if (out.kind == Kind::kcsan && head_.captures.size() > 1)
    function = source_name(head_.captures[1].substr(0, head_.captures[1].find('+')));
  Culprit culprit = find_culprit(out.kind, function, head_.cpu, stacks_);
  out.culprit = std::move(culprit.function);
  if (out.kind == Kind::workqueue_lockup && !in_flight_.empty()) out.culprit = in_flight_;
  if (std::string left;
      out.kind == Kind::atomic_sleep && !(left = who_left_locked(rcu_sites_, stacks_)).empty())
    out.culprit = std::move(left);
  out.cpu = culprit.cpu ? culprit.cpu : head_.cpu;
  out.task = !culprit.task.empty()                      ? culprit.task
             : !culprit.cpu || culprit.cpu == head_.cpu ? head_.task
                                                        : std::string();
  out.first_line = first_line_;
  out.last_line = last_line_;
  out.corrupted = corrupted_;
  out.accuses = head_.rule->accuses;
  out.severity = severity_of(out.kind);
  out.excerpt = excerpt_.substr(0, excerpt_told_);
  return out;
}

bool Report::complete() const {
  return !title_function(*head_.rule, head_.function, head_.cpu, stacks_, lock_sites_).empty();
}

void Report::close(bool) {
  if (head_.rule->pick != Pick::none &&
      title_function(*head_.rule, head_.function, head_.cpu, stacks_, lock_sites_).empty())
    corrupted_ = true;
}

}  // namespace ktrial::console
