// What the harness knows of one processor architecture of guests: plain values.
// Who reads a guest's memory has to know more: harness/introspect/isa.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::arch {

// A machine type of QEMU.
struct Machine {
  std::string name;     // as QEMU calls it, and the user
  std::string options;  // of -machine, with a comma in front; what no trial needs is off
  bool libvirt = true;  // libvirt can be asked for it
  bool plugs = false;   // takes PCI devices while a guest runs, on a pcie-root-port

  // RAM begins at `ram_base`, bytes. Of `split_from` bytes and more, `split_low` lie there and
  // the rest from `high_base` on.
  std::uint64_t ram_base = 0, split_from = ~0ull, split_low = 0, high_base = 1ull << 32;
  std::uint64_t low_memory(std::uint64_t bytes) const {
    return bytes >= split_from ? split_low : bytes;
  }
};

// Of the monitor's `info registers`: the words in front of a vCPU's values. The first that is
// there counts; numbers are hexadecimal.
struct RegisterWords {
  std::vector<std::string> ip, sp, fp;  // instruction, stack, frame
  std::vector<std::string> flags;
  std::uint64_t interrupts_on = 0;  // the flags' bit
  std::string privilege;            // decimal
  std::uint64_t user = 0;           // its value in user mode
  std::string halted;               // not 0: waits for an interrupt; empty: not told
  std::string paging;               // whether the kernel's own mode was ever entered
  std::uint64_t paging_on = 0;      // the bit that says so; 0: not told
};

// What a kernel image is, besides an ELF file.
enum class ImageKind {
  setup_header,  // kernel/setup_header.h
  elf_alone,
};

struct Arch {
  std::string name;    // uname's: records, libvirt
  std::string kernel;  // of its source: ARCH=, arch/NAME
  std::string debian;  // of packages
  std::uint16_t elf_machine = 0;

  // Where programs of it find their libraries, and what loads them (glibc's).
  std::string triplet, loader;
  std::string cross_compile;  // what a compiler's name begins with, on hosts of others

  std::string qemu, qemu_package;  // the program, and Debian's package of it
  std::vector<Machine> machines;   // the first: where none is named
  std::string cpu;                 // of TCG: all that QEMU can
  RegisterWords registers;
  // The device of the console, on -chardev id "console"; and its name in the guest.
  std::vector<std::string> console_device;
  std::string console;
  std::string early_console;  // a word of the command line: printed before there are drivers

  // Words of the command line: always, and those that TCG needs.
  std::vector<std::string> boot_words, tcg_words;
  // Takes the host's counter in kHz, where TCG's guests see it (host_counter.h); then lpj= holds,
  // too. Empty: they do not.
  std::string counter_khz;

  std::string default_kernel;   // a package of the distribution
  std::string kernel_packages;  // a pattern for those like it
  std::string package_suffix;   // of releases of Debian's kernels ...
  unsigned debian_hz = 0;       // ... and their ticks a second

  ImageKind image = ImageKind::elf_alone;
  std::string make_image;      // make's goal,
  std::string image_path;      // and what it makes, in the build tree
  bool elf_needs_pvh = false;  // QEMU starts a vmlinux only by its PVH entry

  std::string syscall_prefix;  // of the symbols of system calls: reboot's is PREFIXreboot
  // Trace events that no other has, comma separated: of interrupts between CPUs, of the timer.
  std::string ipi_events, timer_events;

  // libvirt's domain: features (on and off), timers that are off, the console's target.
  std::vector<std::string> libvirt_features, libvirt_features_off, libvirt_timers_off;
  std::string libvirt_console;

  // "": the first. Null: it has none of that name.
  const Machine* machine(std::string_view machine_name) const;
};

}  // namespace ktrial::arch
