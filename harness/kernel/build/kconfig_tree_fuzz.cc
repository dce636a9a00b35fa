// Input: a Kconfig file, or an expression of one.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "harness/base/file.h"
#include "harness/kernel/build/kconfig_tree.h"

using namespace ktrial;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const kernel::Config config = {{"A", "y"}, {"B", "m"}, {"N", "3"}};
  // True as a whole if and only if no part is unmet.
  if (kernel::evaluate(text, config) == kernel::Truth::yes &&
      !kernel::unmet_parts(text, config).empty())
    std::abort();
  // In memory and without fsync: the disk would take nearly all of the time.
  static const auto directory = [] {
    ::setenv("XDG_RUNTIME_DIR", "/dev/shm", 1);
    return TempDir::create("kconfig-fuzz");
  }();
  if (!directory) return 0;
  std::ofstream(directory->path() / "Kconfig", std::ios::binary) << text;
  const auto found = kernel::find_options(directory->path(), "x86", {"A"});
  if (!found) return 0;
  for (const auto& [symbol, definition] : *found)
    if (symbol != "A" || definition.where.empty()) std::abort();
  return 0;
}
