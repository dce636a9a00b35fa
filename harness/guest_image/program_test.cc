#include "harness/guest_image/program.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <test_paths.h>

#include <map>

#include "harness/base/file.h"
#include "harness/kernel/testing.h"

namespace ktrial::guest_image {
namespace {
namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Whether the guest, having these entries alone, finds a file at `path`:
// links are followed inside the guest, never on the host.
bool guest_finds(const std::vector<Entry>& entries, fs::path path, int links = 0) {
  std::map<std::string, const Entry*> by_path;
  for (const Entry& entry : entries) by_path[entry.path] = &entry;
  fs::path current;
  for (auto part = path.begin(); part != path.end(); ++part) {
    current /= *part;
    const auto found = by_path.find(current.string());
    if (found == by_path.end()) continue;
    if (std::holds_alternative<HostFile>(found->second->content)) return current == path;
    if (const auto* link = std::get_if<Symlink>(&found->second->content)) {
      fs::path target = current.parent_path() / link->target;
      for (++part; part != path.end(); ++part) target /= *part;
      return links < 40 && guest_finds(entries, target.lexically_normal(), links + 1);
    }
  }
  return false;
}

class ProgramTest : public ::testing::Test {
 protected:
  fs::path executable(const std::string& name, std::string_view bytes) {
    const fs::path path = dir_->path() / name;
    kernel::testing::write(path, bytes);
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }
  std::string refusal(const std::string& command) {
    auto packed = pack_program(command);
    if (packed) return "accepted";
    EXPECT_EQ(packed.error().kind, ErrorKind::usage);
    return packed.error().message;
  }
  // Below /dev or /proc nothing can be packed; TMPDIR might be there.
  Result<TempDir> dir_ = TempDir::create();
};

TEST_F(ProgramTest, DynamicProgramComesWithLoaderAndLibraries) {
  auto packed = pack_program("true");
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_TRUE(packed->path.starts_with('/'));
  EXPECT_TRUE(guest_finds(packed->entries, packed->path));
  EXPECT_TRUE(guest_finds(packed->entries, "/lib64/ld-linux-x86-64.so.2"));
  bool libc = false;
  for (const Entry& entry : packed->entries) libc |= entry.path.ends_with("/libc.so.6");
  EXPECT_TRUE(libc);
  EXPECT_THAT(packed->notes, IsEmpty());
  EXPECT_TRUE(write_initramfs(packed->entries, dir_->path() / "out.cpio"));
}

TEST_F(ProgramTest, LibraryFoundByRunpathKeepsItsPlace) {
  auto packed = pack_program(KTRIAL_BINARY_DIR "/harness/guest_image/sample/packed_sample");
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_TRUE(guest_finds(packed->entries, KTRIAL_BINARY_DIR
                          "/harness/guest_image/sample/libpacked_sample_library.so"));
  // And the loader finds it without RUNPATH, too.
  EXPECT_TRUE(guest_finds(packed->entries, "/usr/lib/libpacked_sample_library.so"));
}

TEST_F(ProgramTest, MissingLibraryIsNamed) {
  const fs::path copy = dir_->path() / "copy";
  fs::copy_file(KTRIAL_BINARY_DIR "/harness/guest_image/sample/packed_sample", copy);
  EXPECT_THAT(refusal(copy), HasSubstr("libpacked_sample_library.so"));
}

TEST_F(ProgramTest, ScriptBringsItsInterpreter) {
  const fs::path script = executable("script", "#! /bin/sh -e\ntrue\n");
  auto packed = pack_program(script);
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_TRUE(guest_finds(packed->entries, script));
  EXPECT_TRUE(guest_finds(packed->entries, "/bin/sh"));
  EXPECT_THAT(packed->notes, Contains(HasSubstr("/bin/sh")));

  auto by_env = pack_program(executable("by-env", "#!/usr/bin/env -S sh -e\ntrue\n"));
  ASSERT_TRUE(by_env) << by_env.error().message;
  EXPECT_TRUE(guest_finds(by_env->entries, "/usr/bin/env"));
  EXPECT_TRUE(guest_finds(by_env->entries, pack_program("sh")->path));  // the one in PATH
}

TEST_F(ProgramTest, SymbolicLinksAreKept) {
  fs::create_directory(dir_->path() / "real");
  executable("real/program", "#!/bin/sh\n");
  fs::create_symlink("real", dir_->path() / "link");
  fs::create_symlink("../link/program", dir_->path() / "real/alias");
  auto packed = pack_program(dir_->path() / "link/alias");
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_EQ(packed->path, dir_->path() / "link/alias");
  EXPECT_TRUE(guest_finds(packed->entries, packed->path));
}

TEST_F(ProgramTest, StaticProgramComesAlone) {
  const fs::path program = executable(
      "static",
      kernel::testing::make_elf({.type = ET_EXEC, .modinfo = "", .segments = {{PT_LOAD, "x"}}}));
  auto packed = pack_program(program);
  ASSERT_TRUE(packed) << packed.error().message;
  EXPECT_TRUE(guest_finds(packed->entries, program));
}

TEST_F(ProgramTest, RefusesWhatCannotRunInTheGuest) {
  EXPECT_THAT(refusal("no-such-command"), HasSubstr("not in PATH"));
  EXPECT_THAT(refusal("/no/such/command"), HasSubstr("does not exist"));
  EXPECT_THAT(refusal(dir_->path()), HasSubstr("directory"));
  kernel::testing::write(dir_->path() / "plain", "#!/bin/sh\n");
  EXPECT_THAT(refusal(dir_->path() / "plain"), HasSubstr("not executable"));
  EXPECT_THAT(refusal(executable("text", "echo hello\n")), HasSubstr("neither"));
  EXPECT_THAT(refusal(executable("bad", "#!/no/such/shell\n")), HasSubstr("/no/such/shell"));
  EXPECT_THAT(refusal(executable("none", "#!\n")), HasSubstr("#!"));
  const fs::path self = dir_->path() / "self";
  EXPECT_THAT(refusal(executable("self", "#!" + self.string() + "\n")).size(), ::testing::Gt(0u));
  EXPECT_THAT(
      refusal(executable(
          "arm", kernel::testing::make_elf(
                     {.type = ET_EXEC, .machine = EM_AARCH64, .modinfo = "", .segments = {}}))),
      HasSubstr("arm64"));
  EXPECT_THAT(
      refusal(executable(
          "musl",
          kernel::testing::make_elf(
              {.type = ET_EXEC, .modinfo = "", .segments = {{PT_INTERP, "/lib/no-loader.so"}}}))),
      HasSubstr("/lib/no-loader.so"));
}

}  // namespace
}  // namespace ktrial::guest_image
