// What a trial remembers of its console beside the findings, while the bytes pass by. Bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/trace/console_dump.h"

namespace ktrial::trial {

class ConsoleNotes {
 public:
  void feed(std::string_view bytes);
  // The last line, if it had no end.
  void finish();

  // "Linux version ...", the kernel's first words; empty: they never came.
  const std::string& banner() const { return banner_; }
  bool cpus_are_up() const { return cpus_up_; }  // "smp: Brought up ...": all that start at boot
  // A trace that the kernel printed; see trace::DumpReader.
  trace::DumpReader& dump() { return dump_; }
  // The stamp of a line, from 1, as the analyzer counts them.
  std::optional<std::uint64_t> stamp_us(std::uint64_t line) const;
  // See trace::clock_lead_us().
  std::int64_t clock_lead_us() const { return lead_us_; }

 private:
  void take(std::string_view line);

  std::string rest_, banner_;
  trace::DumpReader dump_;
  std::vector<std::uint64_t> stamps_;  // of each line, one more than it says; 0: none
  std::int64_t lead_us_ = 0;
  bool cpus_up_ = false;
};

// What built the kernel, out of its banner: "gcc-12 (Debian 12.2.0-14) 12.2.0". Pure; empty: the
// banner does not say. Format: linux_proc_banner of init/version.c,
//   Linux version RELEASE (WHO@WHERE) (COMPILER, LINKER) #1 SMP ...
// and before 5.8 without the linker: (gcc version 8.3.0 (Debian 8.3.0-6)).
std::string compiler_of(std::string_view banner);

}  // namespace ktrial::trial
