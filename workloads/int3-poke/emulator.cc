#include "workloads/int3-poke/emulator.h"

#include <cpuid.h>

#include <cstring>

#include "workloads/common/system.h"

namespace ktrial::workload {

bool may_run_old_code() {
  unsigned leaf = 0, signature[3] = {};
  __cpuid(0x40000000, leaf, signature[0], signature[1], signature[2]);
  if (std::memcmp(signature, "TCGTCGTCGTCG", sizeof signature) != 0) return false;
  return read_file("/proc/cmdline").value_or("").find("ktrial.tcg=single") == std::string::npos;
}

}  // namespace ktrial::workload
