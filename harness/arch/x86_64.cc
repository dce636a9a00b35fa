#include "harness/arch/x86_64.h"

namespace ktrial::arch {

const Arch& x86_64() {
  static const Arch row = {
      .name = "x86_64",
      .kernel = "x86",
      .debian = "amd64",
      .elf_machine = 62,  // EM_X86_64
      .triplet = "x86_64-linux-gnu",
      .loader = "ld-linux-x86-64.so.2",
      .cross_compile = "x86_64-linux-gnu-",
      .qemu = "qemu-system-x86_64",
      .qemu_package = "qemu-system-x86",
      // RAM: hw/i386/pc_q35.c (pc_q35_init) and hw/i386/microvm.c (microvm_memory_init), unchanged
      // from QEMU 5.2 to 10. virtio-mmio is a module in distribution kernels that we want to boot,
      // PCI is not.
      .machines = {{.name = "q35",
                    .options = ",sata=off,smbus=off,usb=off,vmport=off,hpet=off",
                    .plugs = true,
                    .split_from = 0xb0000000,
                    .split_low = 0x80000000},
                   {.name = "microvm",
                    .options = ",pcie=on,rtc=on,isa-serial=on,pit=on,pic=on",
                    .libvirt = false,
                    .split_from = 0xc0000000,
                    .split_low = 0xc0000000}},
      .cpu = "max",
      // x86_cpu_dump_state() in QEMU's target/i386/cpu-dump.c. Interrupts: RFLAGS bit 9; paging:
      // CR0 bit 31, PG (Intel SDM volume 3, 2.5).
      .registers = {.ip = {"RIP=", "EIP="},
                    .sp = {"RSP=", "ESP="},
                    .fp = {"RBP=", "EBP="},
                    .flags = {"RFL=", "EFL="},
                    .interrupts_on = 1u << 9,
                    .privilege = "CPL=",
                    .user = 3,
                    .halted = "HLT=",
                    .paging = "CR0=",
                    .paging_on = 1u << 31},
      .console_device = {"-serial", "chardev:console"},
      .console = "ttyS0",
      .early_console = "earlyprintk=ttyS0",
      .boot_words = {"unknown_nmi_panic"},  // our NMI turns a silent hang into backtraces
      // The clock: else HPET, slow and with odd stamps. The IO-APIC timer check counts ticks in
      // real time: on a busy host it panics.
      .tcg_words = {"tsc=reliable", "no_timer_check"},
      .counter_khz = "tsc_early_khz",
      .default_kernel = "deb:linux-image-cloud-amd64",
      .kernel_packages = "linux-image-*-cloud-amd64",
      .package_suffix = "-amd64",
      .debian_hz = 250,  // of the last decades
      .image = ImageKind::setup_header,
      .make_image = "bzImage",
      .image_path = "arch/x86/boot/bzImage",
      .elf_needs_pvh = true,
      .syscall_prefix = "__x64_sys_",
      .ipi_events =
          "irq_vectors:reschedule_entry,irq_vectors:reschedule_exit,"
          "irq_vectors:call_function_entry,irq_vectors:call_function_exit,"
          "irq_vectors:call_function_single_entry,irq_vectors:call_function_single_exit",
      .timer_events = "irq_vectors:local_timer_entry,irq_vectors:local_timer_exit",
      .libvirt_features = {"acpi", "apic"},
      .libvirt_features_off = {"vmport"},
      .libvirt_timers_off = {"hpet"},
      .libvirt_console = "isa-serial",
  };
  return row;
}

}  // namespace ktrial::arch
