#include "harness/bundle/map.h"

#include "harness/introspect/kernel.h"
#include "harness/introspect/kernel_view.h"
#include "harness/introspect/modules.h"
#include "harness/introspect/tasks.h"

namespace ktrial::bundle {
using introspect::SymbolTable;

namespace {

vm::Exact::Tasks tasks_of(const introspect::Kernel& kernel, const introspect::KernelView& view,
                          unsigned cpus, const arch::Machine& machine, std::uint64_t bytes) {
  vm::Exact::Tasks out;
  const auto pid = view.btf.offset("task_struct", "pid");
  const auto comm = view.btf.offset("task_struct", "comm");
  const auto base = view.symbol("page_offset_base");
  const auto direct =
      base ? introspect::read_value<std::uint64_t>(kernel, *base) : std::unexpected(base.error());
  if (!pid || !comm || !direct) return {};
  out.direct_map = *direct;
  const auto image = view.symbol("_text");
  const auto image_at =
      image ? kernel.page_tables().translate(*image) : std::unexpected(image.error());
  if (!image_at) return {};
  out.image = *image;
  out.image_physical = image_at->physical;
  out.pid_offset = static_cast<std::uint32_t>(*pid);
  out.comm_offset = static_cast<std::uint32_t>(*comm);
  const char* variable = view.symbols.address("current_task") ? "current_task" : "pcpu_hot";
  const std::uint64_t low = machine.low_memory(bytes);
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    const auto slot = view.per_cpu(variable, cpu);
    if (!slot) return {};
    const auto place = kernel.page_tables().translate(*slot);
    if (!place) return {};
    const std::uint64_t physical = place->physical;
    const std::uint64_t at =
        physical >= machine.high_base ? physical - machine.high_base + low : physical;
    if (at + 8 > bytes) return {};
    out.current.push_back(at);
  }
  return out;
}

}  // namespace

Result<Map> map_of(vm::Vm& vm, unsigned cpus, std::uint64_t memory_mib,
                   std::chrono::milliseconds patience, const std::filesystem::path& cache) {
  auto ram = KTRIAL_TRY(vm.ram(patience));
  const arch::Machine& machine = *ram.machine;
  const auto kernel = KTRIAL_TRY(
      introspect::Kernel::open(KTRIAL_TRY(introspect::RamFile::open(std::move(ram))), cache));
  if (kernel->symbols_error()) return std::unexpected(*kernel->symbols_error());
  Map out{.symbols = SymbolTable(kernel->symbols().all()), .tasks = {}};
  auto bytes = kernel->btf_bytes();
  if (!bytes) return out;
  auto btf = introspect::Btf::parse(*std::move(bytes));
  if (!btf) return out;
  const introspect::KernelView image{*kernel, kernel->symbols(), *btf};
  const auto offsets = image.symbol("__per_cpu_offset");
  out.symbols = introspect::symbols_with_modules(image);
  out.tasks = tasks_of(*kernel, image, cpus, machine, memory_mib << 20);
  for (unsigned cpu = 0; cpu < cpus; ++cpu)
    out.per_cpu.push_back(
        introspect::read_value<std::uint64_t>(*kernel, offsets.value_or(0) + 8ull * cpu)
            .value_or(0));
  if (const auto tasks = introspect::read_tasks(image))
    for (const introspect::Task& task : tasks->tasks)
      out.task_structs.emplace(static_cast<std::uint64_t>(task.pid), task.address);
  out.types = std::make_shared<const introspect::Btf>(*std::move(btf));
  return out;
}

}  // namespace ktrial::bundle
