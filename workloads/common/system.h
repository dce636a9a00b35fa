// The guest's kernel as files: sysfs, procfs, tracefs, and which CPUs are online.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace ktrial::workload {

inline constexpr int kMaxCpus = 8192;  // the kernel's own limit (x86 Kconfig NR_CPUS)

// The whole file, at most 16 MiB of it; nothing and errno on an error.
std::optional<std::string> read_file(const std::string& path);
// In one write(2), as these file systems want it. 0, or the errno. The file is
// not created and, other than by the shell's ">", not truncated (kprobe_events
// would lose all its probes): `flags` adds to O_WRONLY.
int write_file(const std::string& path, std::string_view text, int flags = 0);

// The kernel's list format, "0-2,5\n" (lib/bitmap.c, "%*pbl"). Nothing if it is
// none, not ascending, or names a CPU of kMaxCpus or above; empty for "".
std::optional<std::set<int>> parse_cpu_list(std::string_view text);
std::string cpu_list(const std::set<int>& cpus);  // the inverse
std::set<int> online_cpus();                      // exits with kCannotRun if it cannot be read

// Workloads that switch parts of the kernel itself (CPUs, tracing) must not do
// so to a machine that people use: exits with kCannotRun unless this kernel was
// booted for a trial.
void require_trial_guest();

}  // namespace ktrial::workload
