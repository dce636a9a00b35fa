// The kernel log read from the kernel's own ring buffer: all that printk took,
// also what never reached the console (kernel/printk/printk_ringbuffer.h tells how
// it is laid out; the places of its fields are in VMCOREINFO since 5.10).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/introspect/address_space.h"

namespace ktrial::introspect {

class VmCoreInfo;

struct LogRecord {
  std::uint64_t sequence = 0;  // counts from 0 at boot; a gap: records were lost or unreadable
  std::uint64_t ns = 0;        // since boot, by the kernel's clock
  unsigned level = 0;          // 0 emergency ... 7 debug
  unsigned facility = 0;       // 0: the kernel; else of who wrote to /dev/kmsg
  std::string caller;          // "T17": task 17; "C3": CPU 3 in an interrupt
  std::string text;            // may have several lines; no newline at its end
  bool operator==(const LogRecord&) const = default;
};

// Oldest first. Records that a CPU was writing when the guest stopped are left
// out, as are broken ones; an error means that there is no log to be found.
Result<std::vector<LogRecord>> read_log(const AddressSpace& space, const VmCoreInfo& info);

// As dmesg and the console show it: "[    1.234567] text", each line so.
std::string log_lines(const LogRecord& record);

}  // namespace ktrial::introspect
