// Invariants over hostile symbols: names are bounded, whatever a symbol repeats; what is not
// mangled stays what it is; a name is never empty.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "harness/console/demangle.h"
#include "harness/console/frames.h"

namespace {
void check(bool ok) {
  if (!ok) std::abort();
}
constexpr std::size_t kMaxName = 1 << 20;  // of C++'s names, which repeat parts by reference
constexpr std::size_t kMaxRust = 4096;
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  using ktrial::console::demangle;
  const std::string name = demangle(text);
  check(name.empty() == text.empty());
  check(name.size() <= kMaxName);
  if (!text.starts_with("_R") && !text.starts_with("_Z")) check(name == text);
  const std::string rust = "_R" + std::string(text);
  check(demangle(rust) == rust || demangle(rust).size() <= kMaxRust);
  check(!demangle("_Z" + std::string(text)).empty());
  (void)ktrial::console::source_name(text);
  (void)ktrial::console::is_syscall(text);
  return 0;
}
