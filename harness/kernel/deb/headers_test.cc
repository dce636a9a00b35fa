#include "harness/kernel/deb/headers.h"

#include <gmock/gmock.h>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/kernel/build/module_build.h"
#include "harness/kernel/deb/newer_libc.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::write;

TEST(HeadersTest, DependenciesAreThoseOfAModuleBuild) {
  EXPECT_THAT(header_dependencies("linux-base (>= 4.12~), linux-headers-6.12-common (= 6.12-1), "
                                  "linux-image-6.12 (= 6.12-1) | linux-image-6.12-unsigned, "
                                  "linux-kbuild-6.12, gcc-12"),
              ElementsAre(HeaderDependency{"linux-headers-6.12-common", "6.12-1"},
                          HeaderDependency{"linux-kbuild-6.12", ""}));
  EXPECT_THAT(header_dependencies("linux-kbuild-6.1 (>= 6.1.192-2)"),
              ElementsAre(HeaderDependency{"linux-kbuild-6.1", ""}));
  EXPECT_THAT(header_dependencies(""), IsEmpty());
  EXPECT_THAT(header_dependencies(",, |,(= "), IsEmpty());
  EXPECT_THAT(header_dependencies("linux-headers-x (= 1"),
              ElementsAre(HeaderDependency{"linux-headers-x", "1"}));
}

TEST(HeadersTest, TheMakefileFindsItsNeighbourWhereverItLies) {
  EXPECT_EQ(relocate_headers_makefile("# a\ninclude /usr/src/linux-headers-6.1-common/Makefile\n"),
            "# a\ninclude $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../"
            "linux-headers-6.1-common/Makefile\n");
  // As of 7.1.
  EXPECT_EQ(relocate_headers_makefile("KBUILD_OUTPUT=/usr/src/linux-headers-7.3-amd64\n"
                                      "include /usr/src/linux-headers-7.3-common/Makefile\n"),
            "KBUILD_OUTPUT:=$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../"
            "linux-headers-7.3-amd64\n"
            "include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../"
            "linux-headers-7.3-common/Makefile\n");
  EXPECT_EQ(relocate_headers_makefile("KBUILD_OUTPUT=x\n"), "KBUILD_OUTPUT=x\n");
  EXPECT_EQ(relocate_headers_makefile("include x"), "include x");
  EXPECT_EQ(relocate_headers_makefile(""), "");
}

TEST(NewerLibcTest, ProgramsThatAskForTooMuchAreRunByTheLoaderBesideThem) {
  EXPECT_EQ(wanted_glibc("\177ELF GLIBC_2.2.5 GLIBC_2.38 GLIBC_2.4"), 38);
  EXPECT_EQ(wanted_glibc("\177ELF GLIBC_2."), 0);
  EXPECT_EQ(wanted_glibc("GLIBC_2.38"), 0) << "no program";
  EXPECT_GT(this_machines_glibc(), 30);

  auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const fs::path tools = dir->path() / "usr/lib/kbuild/tools";
  write(tools / "old", "\177ELF GLIBC_2.34");
  write(tools / "new", "\177ELF GLIBC_2.38");
  write(tools / "script", "#!/bin/sh GLIBC_2.99");
  fs::create_symlink("new", tools / "link");
  auto programs = programs_above(dir->path(), 36);
  ASSERT_TRUE(programs) << programs.error().message;
  EXPECT_THAT(*programs, ElementsAre(tools / "new"));

  EXPECT_FALSE(run_with_libc(*programs, dir->path() / "libc")) << "no loader";
  // A loader that says what it was asked for.
  const fs::path loader = dir->path() / "libc/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
  write(loader, "#!/bin/sh\necho \"$3\" \"$4\"\n");
  fs::permissions(loader, fs::perms(0755));
  ASSERT_TRUE(run_with_libc(*programs, dir->path() / "libc"));
  const auto ran = run_command({(tools / "link").string(), "-x y"}, {});
  ASSERT_TRUE(ran);
  EXPECT_EQ(ran->out, fs::canonical(tools).string() + "/new.elf -x y\n") << ran->err;
  programs = programs_above(dir->path(), 36);
  ASSERT_TRUE(programs);
  EXPECT_THAT(*programs, IsEmpty()) << "what has its libc";
}

// Before Debian's headers of 7.1 were understood, they were cached as they came.
TEST(HeadersTest, WhatAnOlderKtrialHasCachedIsMended) {
  auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const fs::path tree = dir->path() / "headers/7.3-x_7.3-1/usr/src/linux-headers-7.3-x";
  write(tree / "Makefile", "include /usr/src/linux-headers-7.3-common/Makefile\n");
  write(tree / "include/generated/autoconf.h", "");
  write(tree / "scripts/Kbuild.include", "");
  const fs::path lib = dir->path() / "headers/7.3-x_7.3-1/usr/lib";
  write(lib / "fixdep", "\177ELF GLIBC_2.4");
  Kernel kernel;
  kernel.release = "7.3-x";
  kernel.package_version = "7.3-1";
  const ResolveOptions options{.cache_dir = dir->path(), .offline = true};
  const auto found = find_build_directory(kernel, options);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(*read_file(*found / "Makefile"), HasSubstr("MAKEFILE_LIST"));

  write(lib / "fixdep", "\177ELF GLIBC_2.99");
  const auto newer = find_build_directory(kernel, options);
  ASSERT_FALSE(newer);
  EXPECT_THAT(newer.error().message, HasSubstr("libc6"));
}

class BuildTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write(tree() / "include/generated/autoconf.h", "");
    write(tree() / "scripts/Kbuild.include", "");
    write(root() / "source/Kbuild", "obj-m := x.o\n");
    kernel_.release = "6.1.0-x";
    kernel_.modules_dir = tree();
    kernel_.modules_layout = ModuleLayout::build_tree;
  }
  fs::path root() const { return dir_->path(); }
  fs::path tree() const { return root() / "tree"; }
  // Kbuild's place is taken by a Makefile that does `recipe` with $(M).
  void makefile(const std::string& recipe) {
    write(tree() / "Makefile", "modules:\n\t" + recipe + "\n");
  }
  Result<BuiltModule> build() {
    return build_module(kernel_, root() / "source", "x", {.cache_dir = root() / "cache"});
  }
  Result<TempDir> dir_ = TempDir::create();
  Kernel kernel_;
};

TEST_F(BuildTreeTest, AModuleIsBuiltOncePerSourceAndKernel) {
  makefile("@echo built > $(M)/x.ko; echo turn >> " + (root() / "turns").string());
  auto first = build();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(*read_file(first->file), "built\n");
  ASSERT_TRUE(build());
  EXPECT_EQ(*read_file(root() / "turns"), "turn\n");
  write(root() / "source/x.c", "int x;\n");
  auto changed = build();
  ASSERT_TRUE(changed);
  EXPECT_NE(changed->file, first->file);
  kernel_.sha256 = "another image";
  ASSERT_TRUE(build());
  EXPECT_EQ(*read_file(root() / "turns"), "turn\nturn\nturn\n");
  EXPECT_FALSE(fs::exists(root() / "source/x.ko"));
}

TEST_F(BuildTreeTest, AFailedBuildSaysWhyAndLeavesNothing) {
  makefile("@echo 'x.c:1: error: no such thing' >&2; false");
  auto built = build();
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().kind, ErrorKind::environment);
  EXPECT_THAT(built.error().message, HasSubstr("x.c:1: error: no such thing"));
  for (const auto& entry : fs::directory_iterator(root() / "cache/modules"))
    EXPECT_NE(entry.path().extension(), ".ko");
}

TEST_F(BuildTreeTest, WithoutHeadersTheKernelIsNamed) {
  fs::remove_all(tree());
  auto built = build();
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().kind, ErrorKind::environment);
  EXPECT_THAT(built.error().message, HasSubstr("6.1.0-x"));
  EXPECT_THAT(built.error().hint, HasSubstr("build"));
}

}  // namespace
}  // namespace ktrial::kernel
