#include "harness/introspect/x86_64/core.h"

#include <sys/procfs.h>
#include <sys/user.h>

#include <cstring>

namespace ktrial::introspect::x86_64 {

std::string prstatus(const vm::VcpuSample& cpu) {
  constexpr std::uint64_t kInterruptFlag = 1u << 9;
  user_regs_struct regs{};
  regs.rip = cpu.ip;
  regs.rsp = cpu.sp;
  regs.rbp = cpu.fp;
  regs.eflags = cpu.interrupts_enabled ? kInterruptFlag : 0;
  regs.cs = cpu.user_mode ? 0x33 : 0x10;  // __USER_CS, __KERNEL_CS
  regs.ss = cpu.user_mode ? 0x2b : 0x18;
  elf_prstatus status{};
  static_assert(sizeof status.pr_reg == sizeof regs);
  std::memcpy(&status.pr_reg, &regs, sizeof regs);
  status.pr_pid = static_cast<pid_t>(cpu.cpu) + 1;
  return {reinterpret_cast<const char*>(&status), sizeof status};
}

std::uint64_t direct_map(const AddressSpace& space, const SymbolTable& symbols,
                         const VmCoreInfo& info) {
  if (const auto variable = symbols.address("page_offset_base")) {
    const auto base = read_value<std::uint64_t>(space, *variable);
    if (base && *base != 0) return *base;
  }
  // Documentation/arch/x86/x86_64/mm.rst
  const bool five_levels = info.number("pgtable_l5_enabled").value_or(0) != 0;
  return five_levels ? 0xff11000000000000 : 0xffff888000000000;
}

}  // namespace ktrial::introspect::x86_64
