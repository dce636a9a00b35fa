// Types, tasks and unwind tables with a few bytes changed: reading them ends, within
// bounds, whatever is changed.
#include <cstdlib>
#include <cstring>

#include "harness/introspect/fake_structures.h"
#include "harness/introspect/kernel.h"
#include "harness/introspect/x86_64/stack.h"

namespace {

using namespace ktrial::introspect;

struct Pristine {
  Pristine() {
    spin = fake.spin_stack();
    interrupted = fake.interrupted_stack();
    fake.kernel.add_kallsyms(fake.symbols, KallsymsForm::absolute_per_cpu);
    bytes = fake.kernel.finish()->bytes();
    symbols = SymbolTable(fake.symbols);
  }
  FakeStructures fake;
  std::uint64_t spin = 0, interrupted = 0;
  std::vector<std::byte> bytes;
  SymbolTable symbols;
};

void check(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

// Each change: where (three bytes; the highest bit: in the types) and what (eight).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Pristine pristine;
  auto memory = std::make_shared<FakeMemory>(FakeKernel::kPhysical, FakeKernel::kSize);
  memory->bytes() = pristine.bytes;
  std::string types = pristine.fake.btf;
  for (; size >= 11; data += 11, size -= 11) {
    const std::size_t at = data[0] | data[1] << 8 | (data[2] & 0x7f) << 16;
    if (data[2] & 0x80)
      std::memcpy(&types[at % (types.size() - 8)], data + 3, 8);
    else
      std::memcpy(&memory->bytes()[at % (memory->bytes().size() - 8)], data + 3, 8);
  }
  const auto kernel = Kernel::open(memory, {});
  const auto btf = Btf::parse(types);
  if (!kernel || !btf) return 0;
  const KernelView view{**kernel, pristine.symbols, *btf};
  const auto unwinder = (*kernel)->isa().unwinder(view, {});
  if (const auto list = read_tasks(view)) {
    check(list->tasks.size() <= kMaxTasks);
    for (const Task& task : list->tasks) check(unwinder->sleeping(task).size() <= kMaxFrames);
  }
  (void)current_task(view, 1);
  for (std::uint64_t sp : {pristine.spin, pristine.interrupted})
    for (const char* function : {"spin", "handler"})
      check(unwinder->running({pristine.fake.function(function, 0x10), sp, sp}).size() <=
            kMaxFrames);
  return 0;
}
