// Stack frames and instruction pointers in report lines.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::console {

struct Frame {
  std::string function;  // compiler suffixes dropped
  bool reliable = true;  // false: printed with "? "
};

// "[<addr>] ? func+0x12/0x34 [mod]", "(func) from [<addr>] (func+...)", "func file.c:1 [inline]".
std::optional<Frame> parse_frame(std::string_view message);
// RIP:, EIP:, IP:, "PC is at", "pc :", NIP, epc. User-mode pointers yield nothing.
std::optional<std::string> parse_ip(std::string_view message);
// A function that reports, allocates, copies, locks, schedules or enters: true
// of every stack, so it tells nothing about this one.
bool is_generic(std::string_view function);
// A function that waits for another CPU, or idles.
bool is_waiter(std::string_view function);
// Layers between a system call and who serves it; see Where::stall.
bool is_plumbing(std::string_view function);
// "__x64_sys_futex", "__se_sys_futex", "SyS_futex" -> "sys_futex"; else empty.
std::string syscall_of(std::string_view function);
std::string strip_suffix(std::string_view function);

}  // namespace ktrial::console
