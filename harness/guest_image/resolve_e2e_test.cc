// The distribution's own cloud kernel, through the machine's real apt and the
// network.
#include <gmock/gmock.h>

#include "harness/base/file.h"
#include "harness/guest_image/initramfs.h"
#include "harness/guest_image/modules.h"
#include "harness/kernel/kernel.h"

namespace ktrial::guest_image {
namespace {
using ::testing::Contains;
using ::testing::IsEmpty;

std::vector<std::string> names(const std::vector<Module>& modules) {
  std::vector<std::string> result;
  for (const Module& module : modules) result.push_back(module.name);
  return result;
}

TEST(ResolveE2eTest, CloudKernelHasAWorkingVsockClosure) {
  auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  auto kernel = kernel::resolve(*kernel::parse_reference(kernel::default_reference()),
                                {.cache_dir = dir->path()});
  if (!kernel && kernel.error().kind == ErrorKind::environment)
    GTEST_SKIP() << "no Debian mirror from here: " << kernel.error().message;
  ASSERT_TRUE(kernel) << kernel.error().message << "\n" << kernel.error().hint;
  EXPECT_THAT(kernel->release, ::testing::HasSubstr("cloud"));

  const std::vector<std::string> wanted = {"virtio_pci", "vmw_vsock_virtio_transport"};
  auto found = closure(*kernel, wanted);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(found->absent, IsEmpty());
  EXPECT_THAT(found->missing, IsEmpty());
  EXPECT_THAT(names(found->modules), Contains("vsock"));
  EXPECT_TRUE(write_initramfs(module_entries(found->modules), dir->path() / "initramfs"));

  // A second time needs neither network nor apt.
  EXPECT_TRUE(kernel::resolve(*kernel::parse_reference(kernel::default_reference()),
                              {.cache_dir = dir->path(), .offline = true}));
}

}  // namespace
}  // namespace ktrial::guest_image
