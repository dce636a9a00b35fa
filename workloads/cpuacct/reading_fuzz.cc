// Whatever a kernel on trial writes into these files: no crash, and what is taken
// as a reading has the documented form.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "workloads/cpuacct/reading.h"

using namespace ktrial::cpuacct;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto number = parse_number(text);
      number && parse_number(std::to_string(*number) + "\n") != number)
    std::abort();
  if (const auto percpu = parse_percpu(text)) {
    std::string again;
    for (const auto value : *percpu) again += std::to_string(value) + " ";
    if (percpu->empty() || parse_percpu(again + "\n") != percpu) std::abort();
  }
  V1 v1;
  if (parse_all(text, v1) && (v1.all_user.empty() || v1.all_user.size() != v1.all_sys.size()))
    std::abort();
  if (const auto stat = parse_cpu_stat(text); stat && stat->usage != parse_key(text, "usage_usec"))
    std::abort();
  parse_proc_stat(text);
  return 0;
}
