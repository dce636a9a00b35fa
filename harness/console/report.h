// One open report: takes its lines, keeps what its title needs, in bounded memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/console/finding.h"
#include "harness/console/frames.h"
#include "harness/console/line.h"
#include "harness/console/oops_rules.h"

namespace ktrial::console {

// orphan: frames in front of what starts a trap's own report; another CPU wrote them.
enum class StackRole { main, nmi, other_task, lock_chain, alloc_or_free, orphan };

// A stack, or a register dump with its stack.
struct Stack {
  StackRole role = StackRole::main;
  std::optional<int> cpu;
  std::string task;
  bool idle = false;          // "skipped: idling"
  std::vector<Frame> frames;  // innermost first; pointers stand where they were printed
};

class Report {
 public:
  Report(Head head, const Line& line);
  void add(const Line& line);
  // A line that opens no report of its own: it is a part of this one.
  void add(const Head& part, const Line& line);
  // Recomputes the finding from what was seen so far.
  Finding finding() const;
  void close(bool stream_ended);
  const Rule& rule() const { return *head_.rule; }
  std::uint64_t first_line() const { return first_line_; }
  std::uint64_t lines_seen() const { return lines_seen_; }
  // So many lines without a word of it: what follows is something else.
  bool ended() const { return silent_ > kSilentLines || lines_seen_ > kMaxLines; }
  bool traced() const { return traced_; }                      // a stack was seen
  const std::string& head_line() const { return head_line_; }  // at most 256 bytes
  int oops_number() const { return head_.oops_number; }
  std::optional<int> head_cpu() const { return head_.cpu; }
  const std::string& head_task() const { return head_.task; }
  bool same_writer(const Line& line) const;  // false only when the kernel names both
  bool complete() const;                     // its title names a function already
  // Another report's head is in `line`: whether two CPUs talk at once, and nobody can tell whose
  // the lines are that follow, or this one was cut short by a fault of its own writer. Both take
  // them, until this one is complete.
  bool entangle(const Line& line, const Rule& other);
  bool entangled() const { return entangled_ && !complete(); }
  bool stall() const { return head_.rule->pick == Pick::stall; }
  void mark_corrupted() { corrupted_ = true; }

 private:
  static constexpr int kSilentLines = 300;
  static constexpr std::uint64_t kMaxLines = 20000;
  static constexpr std::size_t kLockSites = 16;

  void push(Frame frame);
  void start_stack(StackRole role);
  Stack& current();
  bool read(const Line& line);  // whether it told something; its steps:
  bool read_cpu(std::string_view body);
  bool read_stack_head(std::string_view body);
  bool read_lock_site(std::string_view body);
  bool announces(std::string_view body);
  bool read_frame(std::string_view body);
  bool is_detail(std::string_view body);
  bool read_workqueue(std::string_view body);
  void keep_text(const Line& line);

  Head head_;
  std::string head_line_;
  char caller_type_ = 0;
  long caller_ = -1;
  std::uint64_t first_line_, last_line_;
  std::uint64_t lines_seen_ = 0;
  bool corrupted_ = false, traced_ = false, stack_announced_ = false, entangled_ = false;
  std::string access_;                   // "Read" or "Write"
  std::vector<std::string> lock_sites_;  // functions after "at:" in order
  std::vector<std::string> rcu_sites_;   // those of them that began a read-side critical section
  void disown_frames();
  bool expects_lock_site_ = false, expects_other_site_ = false;
  std::string in_flight_, pwq_cpus_;  // of a workqueue lockup
  bool in_flight_in_pool_ = false;
  StackRole next_role_ = StackRole::main;
  std::vector<Stack> stacks_;
  int silent_ = 0;
  std::string excerpt_;
  std::size_t excerpt_told_ = 0;  // its size after the last line that told something
};

// The function in the title; empty when the report does not tell.
std::string title_function(const Rule& rule, const std::string& from_head,
                           std::optional<int> head_cpu, const std::vector<Stack>& stacks,
                           const std::vector<std::string>& lock_sites);
// Of the functions that began the read-side critical sections which a task is in, the first that is
// not running: it has returned, and forgot to end its section. Empty: all are still running, or
// begin one for their callers.
std::string who_left_locked(const std::vector<std::string>& rcu_sites,
                            const std::vector<Stack>& stacks);
struct Culprit {
  std::string function;
  std::optional<int> cpu;
  std::string task;
};
Culprit find_culprit(Kind kind, const std::string& title_function, std::optional<int> head_cpu,
                     const std::vector<Stack>& stacks);

}  // namespace ktrial::console
