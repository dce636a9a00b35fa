// An architecture that nobody has flows from spec to record: no code names one.
#include <elf.h>
#include <gmock/gmock.h>

#include "harness/arch/fake_arch.h"
#include "harness/base/file.h"
#include "harness/kernel/kernel.h"
#include "harness/kernel/testing.h"
#include "harness/spec/parse.h"
#include "harness/spec/validate.h"
#include "harness/trial/black_box.h"
#include "harness/trial/command_line.h"
#include "harness/trial/facts.h"
#include "harness/vm/libvirt/xml.h"
#include "harness/vm/qemu/argv.h"
#include "harness/vm/qemu/registers.h"

namespace ktrial::trial {
namespace {
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class ArchTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(folder);
    // A build tree with an image of it, as its make would leave it.
    const std::string banner = "Linux version 7.1.0-toy (a@b) #1 SMP";
    kernel::testing::write(folder->path() / toy->image_path,
                           kernel::testing::make_elf({.type = ET_EXEC,
                                                      .machine = toy->elf_machine,
                                                      .modinfo = "",
                                                      .segments = {{PT_LOAD, banner}}}));
  }
  Result<kernel::Kernel> resolve() {
    return kernel::resolve(KTRIAL_TRY(kernel::parse_reference(folder->path().string())), {});
  }

  Result<TempDir> folder = TempDir::create();
  arch::ScopedArch toy{arch::made_up_row()};
};

TEST_F(ArchTest, ItsMachinesAreKnownToASpec) {
  spec::TrialSpec spec;
  spec.machine = "toyboard";
  EXPECT_TRUE(spec::validate(spec));
  EXPECT_TRUE(spec::parse_machine("toyboard"));
  spec.machine = "toybox";
  const auto refused = spec::validate(spec);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("q35"), HasSubstr("toyboard")));
}

TEST_F(ArchTest, ItsKernelIsFoundAndToldInTheRecord) {
  const auto found = resolve();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->arch, &*toy);
  EXPECT_EQ(found->release, "7.1.0-toy");
  EXPECT_THAT(found->image.string(), HasSubstr("/arch/toy/boot/Image"));
  EXPECT_EQ(facts_of(*found).architecture, "toy64");
}

TEST_F(ArchTest, ItsKernelsCommandLineHasItsWordsOnly) {
  kernel::Kernel kernel{.release = "7.1.0-toyel", .arch = &*toy};
  const std::string words = kernel_command_line({}, {}, kernel, vm::Accel::tcg);
  EXPECT_THAT(words,
              AllOf(HasSubstr("console=ttyTOY0 "), HasSubstr("toy_nmi "), HasSubstr("toy_clock "),
                    Not(HasSubstr("ttyS")), Not(HasSubstr("tsc")), Not(HasSubstr("lpj="))));
  Plan plan{.kernel = kernel};
  plan.trace.functions = {"vfs_*"};
  EXPECT_THAT(black_box_arguments(plan), HasSubstr("ftrace_filter=__toy_sys_reboot,vfs_* "));
}

TEST_F(ArchTest, ItsMachineIsThatOfQemuAndOfLibvirt) {
  vm::VmConfig config{.kernel = "/k", .arch = &*toy, .machine = toy->machine("")};
  const auto argv = vm::qemu_arguments(config, vm::QemuWiring{});
  EXPECT_THAT(argv, AllOf(Contains("toyboard,memory-backend=ram,toys=off"), Contains("toy-max"),
                          Contains("toy-console,chardev=console")));
  EXPECT_THAT(argv, AllOf(Not(Contains(HasSubstr("q35"))), Not(Contains("-serial"))));
  const auto xml = vm::domain_xml(config, {"n", "u"});
  ASSERT_TRUE(xml) << xml.error().message;
  EXPECT_THAT(*xml, AllOf(HasSubstr("arch=\"toy64\" machine=\"toyboard\""), HasSubstr("<gic"),
                          HasSubstr("toy-serial"), Not(HasSubstr("apic"))));
}

TEST_F(ArchTest, ItsRegistersAreRead) {
  const auto samples = vm::parse_registers(
      "CPU#0\n PC=ffff800080010000 X29=10\n SP=20\nPSTATE=00000010 EL=1\n"
      "CPU#1\n PC=0000000000400000 X29=30\n SP=40\nPSTATE=00000000 EL=0\n",
      toy->registers);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0],
            (vm::VcpuSample{.cpu = 0, .ip = 0xffff800080010000, .sp = 0x20, .fp = 0x10}));
  EXPECT_EQ(samples[1], (vm::VcpuSample{.cpu = 1,
                                        .ip = 0x400000,
                                        .sp = 0x40,
                                        .fp = 0x30,
                                        .interrupts_enabled = false,
                                        .user_mode = true}));
}

TEST(ArchTableTest, TheHostsRowIsTheFirstAndOthersGoAsTheyCame) {
  const std::string before = arch::names();
  EXPECT_EQ(arch::all().front(), &arch::native());
  EXPECT_EQ(arch::of_elf(EM_X86_64), &arch::native());
  {
    const arch::ScopedArch toy(arch::made_up_row());
    EXPECT_EQ(arch::names(), before + ", toy64");
    EXPECT_EQ(arch::of_elf(toy->elf_machine), &*toy);
  }
  EXPECT_EQ(arch::names(), before);
  EXPECT_EQ(arch::of_elf(0x7a7a), nullptr);
}

TEST(ArchTableTest, RamIsWhereTheMachineHasIt) {
  constexpr std::uint64_t kGiB = 1ull << 30;
  const arch::Machine& first = *arch::native().machine("");
  EXPECT_EQ(first.low_memory(kGiB), kGiB);
  EXPECT_EQ(first.low_memory(5 * kGiB), 2 * kGiB);
  EXPECT_EQ(arch::native().machine("microvm")->low_memory(5 * kGiB), 3 * kGiB);
  EXPECT_EQ(arch::native().machine("none"), nullptr);
}

}  // namespace
}  // namespace ktrial::trial
