// Faults that need no kernel module.
#pragma once

#include <cstdint>

namespace ktrial::workload {

// Takes memory until the kernel kills us for it.
[[noreturn]] void eat_all_memory();
// Has the kernel panic: SysRq c. Returns where it does not.
void crash_kernel();
// Dies of SIGSEGV.
[[noreturn]] void crash();
// Writes so many numbered lines of 80 bytes to the kernel's log; the last one is
// "ktrial flood: the last of N lines".
void flood_console(std::int64_t lines);

}  // namespace ktrial::workload
