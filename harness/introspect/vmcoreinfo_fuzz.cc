// Invariants over memory of any content: what is found is in it, and reads back the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/introspect/fake_kernel.h"
#include "harness/introspect/vmcoreinfo.h"

namespace {

using ktrial::introspect::FakeMemory;
using ktrial::introspect::VmCoreInfo;

void check(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto info = VmCoreInfo::parse(bytes)) {
    check(info->text() == bytes);
    check(info->build_id().find('/') == std::string::npos);
    for (const char* name : {"swapper_pg_dir", "phys_base", "a"})
      for (const auto& value : {info->symbol(name), info->number(name), info->offset(name)})
        check(value || value.error().message.find(name) != std::string::npos);
  }
  FakeMemory memory(0x1000, std::max<std::size_t>(size, 1));
  if (size > 0) memory.put(0x1000, bytes);
  const auto found = ktrial::introspect::find_vmcoreinfo(memory, [](const auto&) { return true; });
  if (found) {
    check(bytes.find(found->text()) != std::string_view::npos);
    check(VmCoreInfo::parse(found->text()).has_value());
  }
  return 0;
}
