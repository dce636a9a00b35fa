#include "harness/introspect/core_file.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/user.h>

#include "harness/base/file.h"
#include "harness/introspect/fake_kernel.h"

namespace ktrial::introspect {
namespace {

template <class T>
T at(const std::string& bytes, std::uint64_t offset) {
  T out{};
  if (offset + sizeof out <= bytes.size()) std::memcpy(&out, bytes.data() + offset, sizeof out);
  return out;
}

class CoreFileTest : public testing::Test {
 protected:
  void write(const Kernel* kernel, std::span<const vm::VcpuSample> registers) {
    const auto status = write_core_file(*memory, kernel, registers, path);
    ASSERT_TRUE(status) << status.error().message;
    bytes = read_file(path).value_or("");
    const auto header = at<Elf64_Ehdr>(bytes, 0);
    ASSERT_EQ(header.e_phoff, 64u) << "where makedumpfile looks";
    for (int i = 0; i < header.e_phnum; ++i)
      headers.push_back(at<Elf64_Phdr>(bytes, 64 + i * sizeof(Elf64_Phdr)));
  }
  static std::shared_ptr<FakeMemory> sample() {
    FakeKernel fake(0x2000000);
    const std::uint64_t base = FakeKernel::kLinked + 0x2000000;
    fake.add_kallsyms({{base, 'T', "_text", ""}, {base + 0x20000, 'B', "_end", ""}},
                      KallsymsForm::base_relative);
    return fake.finish();
  }
  Result<TempDir> folder = TempDir::create();
  std::filesystem::path path = folder->path() / "core";
  std::shared_ptr<FakeMemory> memory = sample();
  std::string bytes;
  std::vector<Elf64_Phdr> headers;
};

TEST_F(CoreFileTest, HoldsTheMemoryTheNoteAndTheRegisters) {
  auto kernel = Kernel::open(memory, {});
  ASSERT_TRUE(kernel);
  const vm::VcpuSample cpus[] = {{.cpu = 0, .ip = 0x1234, .sp = 0x5678},
                                 {.cpu = 1, .ip = 0x4321, .user_mode = true}};
  write(kernel->get(), cpus);
  ASSERT_EQ(headers.size(), 3u);
  // The notes: the CPUs in order, then VMCOREINFO as it lies in memory.
  ASSERT_EQ(headers[0].p_type, static_cast<Elf64_Word>(PT_NOTE));
  std::uint64_t note = headers[0].p_offset;
  for (const vm::VcpuSample& cpu : cpus) {
    EXPECT_EQ(at<Elf64_Nhdr>(bytes, note).n_type, static_cast<Elf64_Word>(NT_PRSTATUS));
    const auto status = at<elf_prstatus>(bytes, note + 20);
    user_regs_struct registers;
    std::memcpy(&registers, &status.pr_reg, sizeof registers);
    EXPECT_EQ(registers.rip, cpu.ip);
    EXPECT_EQ(registers.rsp, cpu.sp);
    note += 20 + sizeof(elf_prstatus);
  }
  EXPECT_EQ(bytes.substr(note + 12, 11), std::string("VMCOREINFO\0", 11));
  EXPECT_EQ(bytes.substr(note + 24, (*kernel)->info().text().size()), (*kernel)->info().text());
  // The image by its addresses, then all of RAM; both show the same bytes.
  EXPECT_EQ(headers[1].p_vaddr, FakeKernel::kLinked + 0x2000000);
  EXPECT_EQ(headers[1].p_paddr, FakeKernel::kPhysical);
  EXPECT_EQ(headers[1].p_filesz, 0x20000u);
  EXPECT_EQ(headers[2].p_paddr, FakeKernel::kPhysical);
  EXPECT_EQ(headers[2].p_vaddr, 0xff11000000000000 + FakeKernel::kPhysical);
  EXPECT_EQ(headers[2].p_filesz, FakeKernel::kSize);
  const auto& ram = memory->bytes();
  EXPECT_EQ(bytes.substr(headers[2].p_offset),
            std::string(reinterpret_cast<const char*>(ram.data()), ram.size()));
  EXPECT_EQ(headers[1].p_offset, headers[2].p_offset);
}

TEST_F(CoreFileTest, WithoutAKernelItHoldsTheMemory) {
  memory->bytes().assign(8 << 20, std::byte{0});
  memory->bytes().back() = std::byte{7};
  write(nullptr, {});
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].p_filesz, 0u);
  EXPECT_EQ(bytes.back(), 7);
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, 1 << 20) << "zeroes take no space";
}

TEST_F(CoreFileTest, NothingIsLeftOfAFileThatCouldNotBeWritten) {
  std::filesystem::create_directory(path);  // in the way of the last step
  EXPECT_FALSE(write_core_file(*memory, nullptr, {}, path));
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".partial"));
  EXPECT_FALSE(write_core_file(*memory, nullptr, {}, folder->path() / "no" / "folder"));
}

}  // namespace
}  // namespace ktrial::introspect
