#include "harness/guest_image/modules.h"

#include <gmock/gmock.h>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/guest_image/modinfo.h"
#include "harness/kernel/testing.h"

namespace ktrial::guest_image {
namespace {
namespace fs = std::filesystem;
using kernel::testing::make_module;
using kernel::testing::write;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ModulesTest : public ::testing::Test {
 protected:
  ModulesTest() {
    kernel_.release = "6.1.0-x";
    kernel_.modules_dir = dir_->path();
  }
  void module(const std::string& path, std::string_view depends,
              const std::vector<std::string>& extra = {}) {
    write(dir_->path() / path, make_module("x", depends, "6.1.0-x", extra));
  }
  void builtin(std::string_view list) {
    write(dir_->path() / "modules.builtin", list);
    kernel_.modules_builtin = dir_->path() / "modules.builtin";
  }
  std::vector<std::string> order(const std::vector<std::string>& wanted) {
    auto found = closure(kernel_, wanted);
    EXPECT_TRUE(found) << found.error().message;
    std::vector<std::string> names;
    if (found)
      for (const Module& one : found->modules) names.push_back(one.name);
    return names;
  }
  std::string refusal(const std::vector<std::string>& wanted) {
    auto found = closure(kernel_, wanted);
    if (found) return "accepted";
    EXPECT_EQ(found.error().kind, ErrorKind::usage);
    return found.error().message;
  }
  Result<TempDir> dir_ = TempDir::create();
  kernel::Kernel kernel_;
};

TEST_F(ModulesTest, DependenciesComeFirstAndOnce) {
  module("kernel/a/virtio_ring.ko", "");
  module("kernel/a/virtio.ko", "virtio_ring");
  module("kernel/a/virtio-pci.ko", "virtio,virtio_ring");
  EXPECT_THAT(order({"virtio_pci", "virtio-pci", "virtio"}),
              ElementsAre("virtio_ring", "virtio", "virtio_pci"));
}

TEST_F(ModulesTest, CompressedModulesAreUnpacked) {
  module("kernel/a.ko", "");
  module("kernel/b.ko", "a");
  for (const char* file : {"a.ko", "b.ko"})
    if (auto done = run_command({"xz", (dir_->path() / "kernel" / file).string()});
        !done || !done->ok())
      GTEST_SKIP() << "no xz program on this host";
  auto found = closure(kernel_, std::vector<std::string>{"b"});
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->modules.size(), 2u);
  EXPECT_EQ(found->modules[1].contents, make_module("x", "a", "6.1.0-x"));
}

TEST_F(ModulesTest, SoftDependenciesLoadFirstWhereTheyExist) {
  module("kernel/a.ko", "", {"softdep=pre: b no-such post: c"});
  module("kernel/b.ko", "", {"softdep=pre: a"});  // a mutual wish is no cycle
  module("kernel/c.ko", "");
  EXPECT_THAT(order({"a"}), ElementsAre("b", "a"));
}

TEST_F(ModulesTest, UpdatesWin) {
  module("kernel/a.ko", "");
  module("updates/dkms/a.ko", "");
  auto found = closure(kernel_, std::vector<std::string>{"a"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->modules[0].path, dir_->path() / "updates/dkms/a.ko");
}

TEST_F(ModulesTest, WhatIsNoFileIsBuiltinAbsentOrUnknown) {
  module("kernel/a.ko", "virtio");
  builtin("kernel/drivers/virtio/virtio.ko\n");
  auto known = closure(kernel_, std::vector<std::string>{"a", "virtio", "9p"});
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_THAT(known->builtin, ElementsAre("virtio"));
  EXPECT_THAT(known->absent, ElementsAre("9p"));

  kernel_.modules_dir.reset();
  kernel_.modules_builtin.reset();
  auto unknown = closure(kernel_, std::vector<std::string>{"virtio-pci"});
  ASSERT_TRUE(unknown);
  EXPECT_THAT(unknown->missing, ElementsAre("virtio_pci"));
  EXPECT_THAT(unknown->modules, IsEmpty());
}

TEST_F(ModulesTest, BuildTreeUsesModulesOrder) {
  kernel_.modules_layout = kernel::ModuleLayout::build_tree;
  module("drivers/virtio/virtio.ko", "virtio_ring");
  module("drivers/virtio/virtio_ring.ko", "");
  module("drivers/net/net.ko", "");
  write(dir_->path() / "modules.order",
        "drivers/virtio/virtio_ring.o\nkernel/drivers/virtio/virtio.ko\ndrivers/net/net.ko\n");
  EXPECT_THAT(order({"virtio"}), ElementsAre("virtio_ring", "virtio"));
}

TEST_F(ModulesTest, BrokenClosuresNameTheModuleAndItsDependency) {
  module("kernel/a.ko", "gone");
  EXPECT_THAT(refusal({"a"}), AllOf(HasSubstr("gone"), HasSubstr("needed by module a")));
  module("kernel/a.ko", "b");
  module("kernel/b.ko", "a");
  EXPECT_THAT(refusal({"a"}), HasSubstr("cycle"));
  write(dir_->path() / "kernel/b.ko", make_module("b", "", "6.2.0-other"));
  EXPECT_THAT(refusal({"a"}), AllOf(HasSubstr("6.2.0-other"), HasSubstr("needed by module a")));
  for (std::string_view bytes : {"", "garbage",
                                 "\x7f"
                                 "ELF"}) {
    write(dir_->path() / "kernel/b.ko", bytes);
    EXPECT_THAT(refusal({"a"}), HasSubstr("b.ko"));
  }
}

TEST(ModinfoTest, TruncatedModulesAreErrorsAtEveryLength) {
  const std::string whole = make_module("m", "a,b-c", "6.1.0", {"softdep=pre: d"});
  auto info = read_modinfo(whole);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_THAT(info->depends, ElementsAre("a", "b_c"));
  EXPECT_THAT(info->pre_softdeps, ElementsAre("d"));
  EXPECT_EQ(info->vermagic_release, "6.1.0");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read_modinfo(whole.substr(0, size))) << size;
}

}  // namespace
}  // namespace ktrial::guest_image
