#include "harness/kernel/image.h"

#include <elf.h>
#include <gmock/gmock.h>

#include "harness/base/file.h"
#include "harness/kernel/kernel.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::make_bzimage;
using testing::make_elf;
using testing::make_module;
using testing::make_vmlinux;
using testing::write;

class ImageTest : public ::testing::Test {
 protected:
  fs::path file(std::string_view bytes) {
    write(dir_->path() / "image", bytes);
    return dir_->path() / "image";
  }
  // The message of the usage error that probing gives; it names the file.
  std::string refusal(std::string_view bytes) { return refusal_of(file(bytes)); }
  std::string refusal_of(const fs::path& path) {
    auto info = probe_image(path);
    if (info) return "accepted";
    EXPECT_EQ(info.error().kind, ErrorKind::usage);
    EXPECT_THAT(info.error().message, HasSubstr(path.string()));
    return info.error().message;
  }
  Result<TempDir> dir_ = TempDir::create();
};

TEST_F(ImageTest, BzimageTellsItsRelease) {
  auto info = probe_image(file(make_bzimage("6.1.0-50-cloud-amd64")));
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->release, "6.1.0-50-cloud-amd64");
  EXPECT_EQ(info->arch->name, "x86_64");
}

TEST_F(ImageTest, VmlinuxNeedsThePvhNote) {
  auto info = probe_image(file(make_vmlinux("6.12.0-tiny", true)));
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->release, "6.12.0-tiny");
  EXPECT_EQ(info->arch->name, "x86_64");
  EXPECT_THAT(refusal(make_vmlinux("6.12.0-tiny", false)), HasSubstr("PVH"));
}

TEST_F(ImageTest, MissingDirectoryAndEmptyAreToldApart) {
  EXPECT_THAT(refusal_of(dir_->path() / "none"), HasSubstr("No such file"));
  EXPECT_THAT(refusal_of(dir_->path()), HasSubstr("directory"));
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
}

TEST_F(ImageTest, TruncationIsNoticedAtEveryLength) {
  const std::string whole = make_bzimage("6.1.0");
  for (std::size_t size = 0x206; size + 15 < whole.size(); size += 37)
    EXPECT_THAT(refusal(whole.substr(0, size)), HasSubstr("truncated")) << size;
  const std::string elf = make_vmlinux("6.1.0", true);
  for (std::size_t size = 20; size < elf.size(); ++size)
    EXPECT_THAT(refusal(elf.substr(0, size)), HasSubstr("runcated")) << size;
}

TEST_F(ImageTest, OtherArchitecturesAreNamed) {
  std::string arm64(128, '\0');
  arm64.replace(56, 4, "ARM\x64");
  EXPECT_THAT(refusal(arm64), HasSubstr("arm64"));
  EXPECT_THAT(
      refusal(make_elf({.type = ET_EXEC, .machine = EM_RISCV, .modinfo = "", .segments = {}})),
      HasSubstr("riscv"));
  std::string big_endian = make_elf({.type = ET_EXEC, .modinfo = "", .segments = {}});
  big_endian[EI_DATA] = ELFDATA2MSB;
  big_endian[18] = 0;
  big_endian[19] = EM_S390;
  EXPECT_THAT(refusal(big_endian), HasSubstr("s390"));
  std::string i386 = make_bzimage("6.1.0");
  i386[0x236] = 0;
  EXPECT_THAT(refusal(i386), HasSubstr("i386"));
}

TEST_F(ImageTest, OtherFilesAreNoKernels) {
  EXPECT_THAT(refusal("#!/bin/sh\necho hello\n"), HasSubstr("not a kernel"));
  EXPECT_THAT(refusal(std::string("\x1f\x8b\x08") + std::string(2000, 'x')), HasSubstr("gzip"));
  EXPECT_THAT(refusal("!<arch>\ndebian-binary"), HasSubstr("ar archive"));
  EXPECT_THAT(refusal(make_module("m", "", "6.1.0")), HasSubstr("not a linked kernel"));
  EXPECT_THAT(
      refusal(make_elf({.type = ET_EXEC, .modinfo = "", .segments = {{PT_LOAD, "program"}}})),
      HasSubstr("not a kernel"));
}

TEST_F(ImageTest, ResolveFindsModulesAndConfigNearby) {
  const fs::path root = dir_->path();
  write(root / "boot/vmlinuz-6.1.0-x", make_bzimage("6.1.0-x"));
  write(root / "boot/config-6.1.0-x", "CONFIG_X=y\n");
  write(root / "lib/modules/6.1.0-x/kernel/a.ko", "");
  auto kernel =
      resolve(ImageReference{root / "boot/vmlinuz-6.1.0-x"}, {.cache_dir = root / "cache"});
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->release, "6.1.0-x");
  EXPECT_EQ(kernel->modules_dir, root / "lib/modules/6.1.0-x");
  EXPECT_EQ(kernel->config, root / "boot/config-6.1.0-x");
  EXPECT_EQ(kernel->sha256.size(), 64u);
}

TEST_F(ImageTest, ResolveTakesABuildTreeOrItsImage) {
  const fs::path tree = dir_->path() / "linux";
  auto empty = resolve(ImageReference{dir_->path()}, {.cache_dir = dir_->path()});
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().hint, HasSubstr("make"));
  write(tree / "arch/x86/boot/bzImage", make_bzimage("6.1.0-tree"));
  write(tree / "include/config/auto.conf", "");
  write(tree / "modules.order", "");
  write(tree / ".config", "");
  for (const fs::path& path : {tree, tree / "arch/x86/boot/bzImage"}) {
    auto kernel = resolve(ImageReference{path}, {.cache_dir = dir_->path()});
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->modules_layout, ModuleLayout::build_tree);
    EXPECT_EQ(kernel->modules_dir, tree);
    EXPECT_EQ(kernel->config, tree / ".config");
  }
}

}  // namespace
}  // namespace ktrial::kernel
