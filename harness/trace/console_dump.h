// The trace that a kernel printed on its console: ftrace_dump(), by ftrace_dump_on_oops, sysrq-z
// or rcupdate.rcu_cpu_stall_ftrace_dump. Pure; the bytes come from a guest.
//
// The format is kernel/trace/trace.c's (ftrace_dump_one) with the latency columns of
// kernel/trace/trace_output.c, as printed from 5.10 to 6.19:
//
//   [    9.012345] Dumping ftrace buffer:
//   [    9.012346] ---------------------------------
//   [    9.012347]     sh-71         2d..2. 1115969us : sched_switch: prev_comm=sh ...
//   [    9.012348] CPU:1 [LOST 25 EVENTS]
//   [    9.012349] ---------------------------------
//
// Names of tasks have eight characters there; events tell longer ones.
#pragma once

#include <memory>
#include <string_view>

#include "harness/trace/history.h"

namespace ktrial::trace {

// The same, line by line as they come, so that nobody has to keep the log. Bounded.
class DumpReader {
 public:
  DumpReader();
  DumpReader(DumpReader&&) noexcept;
  ~DumpReader();
  void take(std::string_view line);  // without its end
  bool begun() const;                // a dump was seen, be it an empty one
  History finish();                  // once

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
};

// True: the log has a dump, be it an empty one.
bool has_dump(std::string_view log);

// Every event of every dump in `log`. Lines of other CPUs in between are passed over; a record
// that is cut, or has a line of another CPU within, is marked doubtful, and `missing` counts
// such lines. A dump without its end is partial, too. At most kMaxEvents events.
History read_dump(std::string_view log);

}  // namespace ktrial::trace
