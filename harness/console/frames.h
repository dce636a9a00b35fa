// Reads the pieces of a kernel report that name code: stack frames, instruction pointers, lock
// addresses. Formats: dump_stack(), show_regs() and show_trace of x86, arm, arm64, powerpc, riscv,
// s390, mips, loongarch.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ktrial::console {

struct Frame {
  std::string symbol;      // without offset and without the compiler's suffixes
  bool uncertain = false;  // "? symbol": found on the stack, perhaps a leftover
  bool pointer = false;    // from an instruction pointer line, not from a trace
  bool syscall = false;    // the body of a system call
  std::string caller;      // arm names it on the same line; empty elsewhere
  bool user = false;       // the pointer is in user space; the symbol is empty
};

// A line of a stack trace, e.g. " ? foo+0x12/0x34 [module]".
std::optional<Frame> parse_frame(std::string_view body);
// A line with the instruction pointer, e.g. "RIP: 0010:foo+0x12/0x34".
std::optional<Frame> parse_pointer(std::string_view body);
// The symbol of the first "symbol+0x12/0x34" of a text; empty if there is none.
std::string first_symbol(std::string_view text);
// The raw symbol of a system call's body, e.g. "__x64_sys_mount", "compat_SyS_mount".
bool is_syscall(std::string_view symbol);
// "__x64_sys_mount.cold" -> "sys_mount": what the symbol is called in the source.
std::string source_name(std::string_view symbol);

}  // namespace ktrial::console
