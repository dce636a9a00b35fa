// A fix as two kernels: a patch, a mail with one, a commit, a version.
#include "harness/cli/fix_flag.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "harness/base/file.h"
#include "harness/kernel/build/build_testing.h"
#include "harness/kernel/testing.h"

namespace ktrial::cli {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

class FixFlagTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("XDG_CACHE_HOME", (linux_.root() / "home").c_str(), 1);
    ::setenv("CCACHE_DISABLE", "1", 1);
    edit("while (1)\n\tspin();\n");
    broken_ = linux_.commit("fork: spin");
    edit("while (1)\n\tsleep();\n");
    patch_ = file("fix.patch", linux_.git({"diff"}) + "\n");
    mended_ = linux_.commit("fork: sleep");
    mail_ = file("fix.eml", linux_.git({"format-patch", "-1", "--stdout"}) + "\n");
    linux_.git({"checkout", "--quiet", "-b", "work", broken_});
    job_.build.tree = linux_.tree();
  }
  void edit(const std::string& body) {
    kernel::testing::write(linux_.tree() / "kernel/fork.c", "int fork(void)\n" + body);
  }
  std::string file(const std::string& name, const std::string& bytes) {
    kernel::testing::write(linux_.root() / name, bytes);
    return (linux_.root() / name).string();
  }
  Result<FixKernels> fix(const std::string& named, const std::string& kernel = "") {
    return fix_kernels(named, kernel, "deb:linux-image-6.1=6.1.2-1", packages_, job_);
  }
  std::string must_fail(const std::string& named, const std::string& kernel = "") {
    const auto out = fix(named, kernel);
    EXPECT_FALSE(out) << out->with;
    if (out) return {};
    EXPECT_EQ(out.error().kind, ErrorKind::usage);
    return out.error().message + " " + out.error().hint;
  }
  // What a build of "git:COMMIT", as a trial makes it, has of fork.c.
  std::string built(const std::string& reference) {
    kernel::BuildRequest request = linux_.request(reference.substr(4));
    request.tree = job_.build.tree;
    const auto outcome = kernel::build_kernel(request);
    EXPECT_TRUE(outcome) << outcome.error().message;
    if (!outcome) return {};
    const auto& made = std::get<kernel::Built>(*outcome);
    return read_file(made.directory / "arch/x86/boot/bzImage").value_or("");
  }

  kernel::testing::FakeLinux linux_;
  std::string broken_, mended_, patch_, mail_;
  std::vector<kernel::PackagedKernel> packages_ = {{"linux-image-6.1.2-cloud-amd64", "6.1.2-1"},
                                                   {"linux-image-6.1.9-cloud-amd64", "6.1.9-1"}};
  run::Job job_;
};

TEST_F(FixFlagTest, APatchIsBuiltOnItsCommitAndTheTreeIsNotTouched) {
  const std::string before = linux_.git({"count-objects"}) + linux_.git({"for-each-ref"});
  const auto kernels = fix(patch_);
  ASSERT_TRUE(kernels) << kernels.error().message;
  EXPECT_EQ(kernels->without, "git:" + broken_);
  EXPECT_THAT(kernels->without_name, HasSubstr("HEAD (" + broken_.substr(0, 12) + ")"));
  EXPECT_THAT(built(kernels->without), HasSubstr("spin"));
  EXPECT_THAT(built(kernels->with), HasSubstr("sleep"));
  EXPECT_EQ(linux_.git({"count-objects"}) + linux_.git({"for-each-ref"}), before);
  EXPECT_EQ(linux_.git({"status", "--porcelain"}), "");
}

TEST_F(FixFlagTest, AMailWithThePatchIsThePatch) {
  const auto of_mail = fix(mail_);
  ASSERT_TRUE(of_mail) << of_mail.error().message;
  job_.build.tree = linux_.tree();
  const auto of_patch = fix(patch_, "git:work");
  ASSERT_TRUE(of_patch) << of_patch.error().message;
  EXPECT_EQ(of_mail->with, of_patch->with) << "the same patch is built once";
}

TEST_F(FixFlagTest, WhatCannotBeAppliedSaysWhy) {
  EXPECT_THAT(must_fail(patch_, "git:" + mended_), HasSubstr("another version"));
  EXPECT_THAT(must_fail(patch_, "deb:linux-image-6.1"), HasSubstr("give --kernel git:REV"));
  edit("something else\n");
  EXPECT_THAT(must_fail(patch_), HasSubstr("has changes that are in no commit"));
  job_.build.tree.clear();
  EXPECT_THAT(must_fail(patch_), HasSubstr("add --tree DIR"));
}

TEST_F(FixFlagTest, ACommitIsComparedWithTheOneBefore) {
  const auto kernels = fix(mended_.substr(0, 10));
  ASSERT_TRUE(kernels) << kernels.error().message;
  EXPECT_EQ(kernels->without, "git:" + broken_);
  EXPECT_EQ(kernels->with, "git:" + mended_);
  EXPECT_EQ(kernels->note, "");
  EXPECT_THAT(built(kernels->without), HasSubstr("spin"));
  EXPECT_THAT(built(kernels->with), HasSubstr("sleep"));
  const auto far = fix(mended_, "git:" + broken_ + "~1");
  ASSERT_TRUE(far) << far.error().message;
  EXPECT_THAT(far->note, HasSubstr("is not the commit before the fix"));
}

TEST_F(FixFlagTest, AKernelIsItself) {
  const auto named = fix("deb:linux-image-6.1.9-cloud-amd64");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->with, "deb:linux-image-6.1.9-cloud-amd64");
  EXPECT_EQ(named->without, "deb:linux-image-6.1=6.1.2-1");
  job_.build.tree.clear();
  const auto version = fix("6.1.9");
  ASSERT_TRUE(version);
  EXPECT_EQ(version->with, "deb:linux-image-6.1.9-cloud-amd64=6.1.9-1");
  EXPECT_THAT(must_fail("no-such-thing"), HasSubstr("no patch file, no kernel, and no commit"));
}

}  // namespace
}  // namespace ktrial::cli
