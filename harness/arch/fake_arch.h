// For tests: an architecture that does not exist, among those that do.
#pragma once

#include "harness/arch/arch.h"

namespace ktrial::arch {

// Not one value is that of a row of the product.
inline Arch made_up_row() {
  return {.name = "toy64",
          .kernel = "toy",
          .debian = "toyel",
          .elf_machine = 0x7a7a,
          .triplet = "toy64-linux-gnu",
          .loader = "ld-linux-toy64.so.1",
          .cross_compile = "toy64-linux-gnu-",
          .qemu = "qemu-system-toy64",
          .qemu_package = "qemu-system-toy",
          .machines = {{.name = "toyboard", .options = ",toys=off", .ram_base = 0x40000000}},
          .cpu = "toy-max",
          .registers = {.ip = {" PC="},
                        .sp = {" SP="},
                        .fp = {"X29="},
                        .flags = {"PSTATE="},
                        .interrupts_on = 1u << 4,
                        .privilege = "EL=",
                        .user = 0,
                        .halted = "",
                        .paging = "",
                        .paging_on = 0},
          .console_device = {"-device", "toy-console,chardev=console"},
          .console = "ttyTOY0",
          .early_console = "earlycon",
          .boot_words = {"toy_nmi"},
          .tcg_words = {"toy_clock"},
          .counter_khz = "",
          .default_kernel = "deb:linux-image-toyel",
          .kernel_packages = "linux-image-*-toyel",
          .package_suffix = "-toyel",
          .debian_hz = 100,
          .image = ImageKind::elf_alone,
          .make_image = "Image",
          .image_path = "arch/toy/boot/Image",
          .elf_needs_pvh = false,
          .syscall_prefix = "__toy_sys_",
          .ipi_events = "",
          .timer_events = "",
          .libvirt_features = {"gic"},
          .libvirt_features_off = {},
          .libvirt_timers_off = {},
          .libvirt_console = "toy-serial"};
}

// The row is known as long as this lives.
class ScopedArch {
 public:
  explicit ScopedArch(Arch row) : row_(std::move(row)) { rows().push_back(&row_); }
  ScopedArch(const ScopedArch&) = delete;
  ~ScopedArch() { std::erase(rows(), &row_); }
  const Arch& operator*() const { return row_; }
  const Arch* operator->() const { return &row_; }

 private:
  Arch row_;
};

}  // namespace ktrial::arch
