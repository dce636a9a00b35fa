// On a real tree of Linux, which is not ours to ship: KTRIAL_LINUX_TREE names it. A
// git checkout for the tests that build; the sources of a package do for the others.
#include <gmock/gmock.h>
#include <test_paths.h>

#include <cstdlib>

#include "harness/base/file.h"
#include "harness/kernel/build/build.h"
#include "harness/kernel/build/kconfig.h"
#include "harness/kernel/build/kconfig_make.h"
#include "harness/kernel/build/module_build.h"
#include "harness/kernel/kernel.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

class KernelDrill : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* tree = std::getenv("KTRIAL_LINUX_TREE");
    if (tree == nullptr) GTEST_SKIP() << "KTRIAL_LINUX_TREE names no tree of Linux";
    tree_ = tree;
  }
  Status configure(const std::vector<std::string>& names) {
    const auto fragments = KTRIAL_TRY(choose_fragments(shipped_, names));
    return make_config({.source = tree_,
                        .objects = dir_->path(),
                        .fragments = fragments,
                        .log = dir_->path() / "log"});
  }
  const fs::path shipped_ = fs::path(KTRIAL_SOURCE_DIR) / "kconfigs";
  fs::path tree_;
  Result<TempDir> dir_ = TempDir::create();
};

TEST_F(KernelDrill, EachShippedFragmentIsGranted) {
  const Status plain = configure({});
  EXPECT_TRUE(plain) << plain.error().message;
  for (const char* name : {"lockdep", "atomic-sleep", "kasan", "kfence"}) {
    const Status granted = configure({name});
    EXPECT_TRUE(granted) << name << ": " << granted.error().message;
  }
}

TEST_F(KernelDrill, FragmentsThatExcludeEachOtherAreNamed) {
  const Status granted = configure({"kasan", "kcsan"});
  ASSERT_FALSE(granted);
  EXPECT_EQ(granted.error().kind, ErrorKind::usage);
  EXPECT_THAT(granted.error().message, HasSubstr("KASAN"));
}

TEST_F(KernelDrill, HeadIsBuiltAndModulesCanBeBuiltForIt) {
  if (!fs::exists(tree_ / ".git")) GTEST_SKIP() << tree_ << " is no git checkout";
  const auto cache = default_cache_dir();
  ASSERT_TRUE(cache);
  const auto fragments = choose_fragments(shipped_, {});
  ASSERT_TRUE(fragments);
  const ResolveOptions options{.cache_dir = *cache,
                               .git = {.tree = tree_, .fragments = *fragments}};
  const auto kernel = resolve(GitReference{"HEAD"}, options);
  ASSERT_TRUE(kernel) << kernel.error().message;
  const auto module =
      build_module(*kernel, fs::path(KTRIAL_SOURCE_DIR) / "guest/inject", "ktrial_inject", options);
  EXPECT_TRUE(module) << module.error().message;
}

}  // namespace
}  // namespace ktrial::kernel
