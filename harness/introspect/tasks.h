// The guest's tasks: what `ps` would list, and who runs on which CPU.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/introspect/kernel_view.h"

namespace ktrial::introspect {

struct Task {
  std::uint64_t address = 0;  // of its task_struct
  int pid = 0, tgid = 0;      // of the initial namespace
  std::string comm;
  char state = '?';             // as in /proc/PID/stat: R S D T t X Z P I
  bool kernel_thread = false;   // no memory of its own
  bool vfork_child = false;     // somebody waits in vfork for it
  std::optional<unsigned> cpu;  // where it runs or ran last
  std::string label() const;    // "comm/pid"
};

// A list that has no end, or leads out of memory, ends the walk: what was read until then
// is in `tasks`, and `trouble` says what was wrong.
struct TaskList {
  std::vector<Task> tasks;
  std::string trouble;
};
inline constexpr std::size_t kMaxTasks = 1u << 17;

Result<TaskList> read_tasks(const KernelView& kernel);
Result<Task> read_task(const KernelView& kernel, std::uint64_t address);
// What `cpu` runs, its idle task included (without an address, if no symbol leads to it).
Result<Task> current_task(const KernelView& kernel, unsigned cpu);

}  // namespace ktrial::introspect
