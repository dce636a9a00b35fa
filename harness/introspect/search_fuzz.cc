// The memory of a kernel that tells nothing, with a few bytes changed: the searches for its
// tables, types, tasks, modules and trace end, and what they find lies in its memory.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "harness/introspect/fake_hidden.h"
#include "harness/introspect/kernel.h"

namespace {

using namespace ktrial::introspect;

void check(bool ok) {
  if (!ok) std::abort();
}

// `told`: the places of kallsyms; else they are sought, too.
std::vector<std::byte> pristine(bool told) {
  FakeHidden hidden;
  hidden.kernel.add_kallsyms(hidden.functions, KallsymsForm::absolute_per_cpu, told, !told);
  return hidden.kernel.finish()->bytes();
}

}  // namespace

// The first byte: which kernel. Then each change: where (three bytes) and what (eight).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<std::byte> kKernels[] = {pristine(false), pristine(true)};
  if (size == 0) return 0;
  auto memory = std::make_shared<FakeMemory>(FakeKernel::kPhysical, FakeKernel::kSize);
  memory->bytes() = kKernels[data[0] & 1];
  bool changed = false;
  for (++data, --size; size >= 11; data += 11, size -= 11, changed = true)
    std::memcpy(
        &memory->bytes()[(data[0] | data[1] << 8 | data[2] << 16) % (FakeKernel::kSize - 8)],
        data + 3, 8);
  const auto kernel = Kernel::open(memory, {});
  check(kernel || changed);
  if (!kernel) return 0;
  const SymbolTable& symbols = (*kernel)->symbols();
  check(symbols.all().empty() == (*kernel)->symbols_error().has_value());
  check(changed || symbols.address("ftrace_events"));
  for (const char* name : {"init_task", "modules", "global_trace", "__start_BTF"})
    if (const auto at = symbols.address(name))
      check(read_value<std::uint64_t>(**kernel, *at).has_value() || changed);
  return 0;
}
