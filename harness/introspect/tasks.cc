#include "harness/introspect/tasks.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <functional>
#include <unordered_set>

namespace ktrial::introspect {

namespace {

// include/linux/sched.h: task_state_index(), "RSDTtXZPI".
char state_letter(std::uint32_t state, std::uint32_t exit_state) {
  constexpr std::uint32_t kReport = 0x7f, kIdle = 0x402, kRtLock = 0x1000, kFrozen = 0x8000;
  const std::uint32_t all = state | exit_state;
  std::uint32_t shown = all & kReport;
  if ((state & kIdle) == kIdle) return 'I';
  if ((all & (kRtLock | kFrozen)) != 0) shown = 2;
  return "RSDTtXZP"[std::bit_width(shown)];
}

Result<std::uint32_t> word_at(const KernelView& kernel, std::uint64_t base, const char* member) {
  return read_value<std::uint32_t>(kernel.memory,
                                   base + KTRIAL_TRY(kernel.btf.offset("task_struct", member)));
}

// Calls `use` with the container of each node but the head. `head`: address of the list_head.
Status walk(const KernelView& kernel, std::uint64_t head, std::uint64_t member_offset,
            std::unordered_set<std::uint64_t>& seen,
            const std::function<Status(std::uint64_t)>& use) {
  std::uint64_t node = KTRIAL_TRY(read_value<std::uint64_t>(kernel.memory, head));
  while (node != head) {
    if (seen.size() >= kMaxTasks || !seen.insert(node).second)
      return fail(ErrorKind::protocol, "the task list has a loop or no end");
    KTRIAL_TRY(use(node - member_offset));
    node = KTRIAL_TRY(read_value<std::uint64_t>(kernel.memory, node));
  }
  return {};
}

}  // namespace

std::string Task::label() const { return fmt::format("{}/{}", comm, pid); }

Result<Task> read_task(const KernelView& kernel, std::uint64_t address) {
  Task task{.address = address};
  const Btf& btf = kernel.btf;
  task.pid = static_cast<int>(KTRIAL_TRY(word_at(kernel, address, "pid")));
  task.tgid = static_cast<int>(KTRIAL_TRY(word_at(kernel, address, "tgid")));
  constexpr std::size_t kCommLength = 16;
  task.comm = KTRIAL_TRY(read_string(
      kernel.memory, address + KTRIAL_TRY(btf.offset("task_struct", "comm")), kCommLength));
  const char* state = btf.has("task_struct", "__state") ? "__state" : "state";
  task.state = state_letter(KTRIAL_TRY(word_at(kernel, address, state)),
                            KTRIAL_TRY(word_at(kernel, address, "exit_state")));
  task.kernel_thread = KTRIAL_TRY(kernel.pointer(address, "task_struct", "mm")) == 0;
  // Kernel threads use the same member for something else.
  task.vfork_child =
      !task.kernel_thread && KTRIAL_TRY(kernel.pointer(address, "task_struct", "vfork_done")) != 0;
  for (const char* member : {"thread_info.cpu", "cpu"})
    if (btf.has("task_struct", member)) {
      task.cpu = KTRIAL_TRY(word_at(kernel, address, member));
      break;
    }
  return task;
}

Result<TaskList> read_tasks(const KernelView& kernel) {
  const std::uint64_t init = KTRIAL_TRY(kernel.symbol("init_task"));
  const std::uint64_t tasks = KTRIAL_TRY(kernel.btf.offset("task_struct", "tasks"));
  const std::uint64_t node = KTRIAL_TRY(kernel.btf.offset("task_struct", "thread_node"));
  const std::uint64_t threads = KTRIAL_TRY(kernel.btf.offset("signal_struct", "thread_head"));
  TaskList out;
  std::unordered_set<std::uint64_t> seen_processes, seen_threads;
  auto add = [&](std::uint64_t address) -> Status {
    out.tasks.push_back(KTRIAL_TRY(read_task(kernel, address)));
    return {};
  };
  auto add_process = [&](std::uint64_t leader) -> Status {
    const std::uint64_t signal = KTRIAL_TRY(kernel.pointer(leader, "task_struct", "signal"));
    return walk(kernel, signal + threads, node, seen_threads, add);
  };
  auto walked = walk(kernel, init + tasks, tasks, seen_processes, add_process);
  if (!walked) out.trouble = walked.error().message;
  return out;
}

namespace {

// An int, or one byte of several flags (7.3).
Result<bool> runs(const KernelView& kernel, std::uint64_t task) {
  const std::uint64_t at = task + KTRIAL_TRY(kernel.btf.offset("task_struct", "on_cpu"));
  return KTRIAL_TRY(read_value<std::uint8_t>(kernel.memory, at)) != 0;
}

// Where no symbol leads to per-CPU data: the task that says it is on this CPU. Idle tasks are
// in no list, so a CPU without any runs its own.
Result<Task> current_by_list(const KernelView& kernel, unsigned cpu) {
  const TaskList list = KTRIAL_TRY(read_tasks(kernel));
  for (const Task& task : list.tasks)
    if (task.cpu == cpu && KTRIAL_TRY(runs(kernel, task.address))) return task;
  if (!list.trouble.empty()) return fail(ErrorKind::protocol, list.trouble);
  Task idle{.comm = fmt::format("swapper/{}", cpu), .state = 'R', .kernel_thread = true};
  idle.cpu = cpu;
  return idle;
}

}  // namespace

Result<Task> current_task(const KernelView& kernel, unsigned cpu) {
  if (!kernel.symbols.address("__per_cpu_offset")) return current_by_list(kernel, cpu);
  // 6.2 to 6.14 keep it at the start of pcpu_hot.
  const char* variable = kernel.symbols.address("current_task") ? "current_task" : "pcpu_hot";
  const std::uint64_t slot = KTRIAL_TRY(kernel.per_cpu(variable, cpu));
  return read_task(kernel, KTRIAL_TRY(read_value<std::uint64_t>(kernel.memory, slot)));
}

}  // namespace ktrial::introspect
