#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

#include <cstdlib>
#include <filesystem>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/root/choice.h"
#include "harness/root/file_server.h"
#include "harness/root/mounts.h"

namespace ktrial::root {
namespace {
namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(MountsTest, MountinfoIsRead) {
  const auto got = parse_mountinfo(
      "36 35 98:0 /mnt1 / rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
      "37 36 0:4 / /proc rw,nosuid shared:5 optional:6 - proc proc rw\n"
      "38 36 0:5 / /a\\040b\\134c ro - tmpfs none rw\n"
      "nonsense\n39 36 0:6 / - x\n");
  EXPECT_EQ(got, (std::vector<MountPoint>{{"/", "ext3", "rw,noatime"},
                                          {"/proc", "proc", "rw,nosuid"},
                                          {"/a b\\c", "tmpfs", "ro"}}));
}

TEST(MountsTest, WhatIsTheKernelsIsNoData) {
  for (const char* type : {"proc", "sysfs", "devtmpfs", "debugfs", "cgroup2", "bpf"})
    EXPECT_TRUE(is_of_the_kernel(type)) << type;
  for (const char* type : {"ext4", "btrfs", "tmpfs", "nfs4", "overlay", "fuse"})
    EXPECT_FALSE(is_of_the_kernel(type)) << type;
}

TEST(FileServerTest, TheTwoServersOfOneNameAreToldApart) {
  EXPECT_EQ(kind_of("  --readonly\n  --translate-uid <T>\n"), ServerKind::rust);
  EXPECT_EQ(kind_of("-o sandbox=namespace|chroot\n --fd=FDNUM\n"), ServerKind::c);
  EXPECT_EQ(kind_of("  --shared-dir\n"), std::nullopt) << "one without --readonly";
}

TEST(FileServerTest, ItCannotWriteAndSeesNoProcess) {
  Share share{.program = {"/v", ServerKind::rust, ""}, .confine = "/c", .tree = "/", .host = true};
  share.show = {"/srv/work"};
  const auto user = arguments(share, "/place", 7);
  EXPECT_THAT(user, Contains("--host"));
  EXPECT_THAT(user, Contains("--show=/srv/work"));
  EXPECT_THAT(user, Contains("--readonly"));
  EXPECT_THAT(user, Contains("--sandbox=chroot"));
  EXPECT_THAT(user, Contains("--fd=7"));
  EXPECT_THAT(user, Contains("--translate-uid=host:65534:0:1"));
  share.is_root = true;
  EXPECT_THAT(arguments(share, "/place", 7), Contains("--sandbox=namespace"));
  EXPECT_THAT(arguments(share, "/place", 7), Not(Contains("--translate-uid=host:65534:0:1")));
}

// As bootstrap.sh leaves it on Debian 12; QEMU's own, which only root can use, comes after it.
TEST(FileServerTest, WhatBootstrapFetchedIsFound) {
  for (const char* place : {"/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"})
    if (fs::exists(place)) GTEST_SKIP() << place << " comes first";
  const TempDir cache = *TempDir::create();
  const fs::path program = cache.path() / "ktrial" / "virtiofsd" / "virtiofsd";
  fs::create_directories(program.parent_path());
  ASSERT_TRUE(write_file_atomically(program,
                                    "#!/bin/sh\n"
                                    "case $1 in --help) echo --readonly --translate-uid ;;\n"
                                    "*) echo virtiofsd 1.13.2 ;; esac\n"));
  fs::permissions(program, fs::perms::owner_all);
  const char* before = ::getenv("XDG_CACHE_HOME");
  const std::string old = before == nullptr ? "" : before;  // an empty one counts as none
  ::unsetenv("KTRIAL_VIRTIOFSD");
  ::setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  for (const bool is_root : {true, false}) {
    const auto found = find_file_server(is_root);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->path, program);
    EXPECT_EQ(found->kind, ServerKind::rust);
    EXPECT_EQ(found->version, "virtiofsd 1.13.2");
  }
  ::setenv("XDG_CACHE_HOME", old.c_str(), 1);
}

TEST(ImageTest, TypesByTheirMagic) {
  std::string squashfs(kImageHead, '\0'), erofs = squashfs, ext4 = squashfs;
  squashfs.replace(0, 4, "hsqs");
  erofs.replace(1024, 4, "\xe2\xe1\xf5\xe0");
  ext4.replace(1024 + 56, 2, "\x53\xef");
  EXPECT_EQ(image_type(squashfs), "squashfs");
  EXPECT_EQ(image_type(erofs), "erofs");
  EXPECT_EQ(image_type(ext4), "ext4");
  EXPECT_EQ(image_type("hs"), "");
  EXPECT_EQ(image_type(std::string(kImageHead, 'x')), "");
}

TEST(ImageTest, TheTransportIsTheKernels) {
  const kernel::Kernel kernel{.release = "6.19.14"};
  const auto squashfs = disk_root("/i", "squashfs", {}, kernel);
  ASSERT_TRUE(squashfs);
  EXPECT_FALSE(squashfs->disk->writable);
  EXPECT_THAT(squashfs->modules, Contains("overlay"));
  EXPECT_THAT(squashfs->guest_arguments, Contains("--block=/dev/vda"));

  const Has no_overlay{.overlay = false, .virtio_blk = false};
  const auto refused = disk_root("/i", "squashfs", no_overlay, kernel);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("6.19.14 lacks virtio_blk, overlay"));
  const auto ext4 = disk_root("/i", "ext4", no_overlay, kernel);
  ASSERT_TRUE(ext4);
  EXPECT_TRUE(ext4->disk->nvme && ext4->disk->writable);
  EXPECT_THAT(ext4->guest_arguments, Contains("--writable"));
}

// What a server that serves the host's root could do to it, if a guest had it in its power: all of
// it is tried by a shell in the server's place.
class ConfineTest : public testing::Test {
 protected:
  ConfineTest() : scratch_(*TempDir::create()) {
    fs::create_directory(scratch_.path() / "at");
    fs::create_directory(scratch_.path() / "shown");
    EXPECT_TRUE(write_file_atomically(scratch_.path() / "shown" / "canary", "mine\n"));
  }
  // What the script says, with $R the tree.
  CommandOutput within(const std::string& script, std::vector<std::string> more = {}) {
    std::vector<std::string> argv = {
        std::string(KTRIAL_BINARY_DIR) + "/libexec/ktrial/ktrial-confine", "--source=/",
        "--at=" + (scratch_.path() / "at").string(), "--host"};
    argv.insert(argv.end(), more.begin(), more.end());
    argv.insert(argv.end(),
                {"--", "/bin/sh", "-c", "R=" + (scratch_.path() / "at").string() + "\n" + script});
    auto output = run_command(argv);
    EXPECT_TRUE(output);
    return output ? *output : CommandOutput{};
  }
  bool possible() { return within("true").ok(); }
  TempDir scratch_;
};

TEST_F(ConfineTest, NothingOfTheHostCanBeWritten) {
  if (!possible()) GTEST_SKIP() << within("true").err;
  const std::string shown = (scratch_.path() / "shown").string();
  const std::string attacks[] = {
      "touch $R/etc/ktrial-was-here",
      "touch $R/tmp/x",
      "mkdir $R/home/x",
      "mknod $R/var/tmp/x c 1 3",
      "rm -f $R/bin/true && ! test -e $R/bin/true",
      "chmod 4755 $R" + shown + "/canary",
      "echo x >> $R" + shown + "/canary",
      "rm -f $R" + shown + "/canary && ! test -e $R" + shown + "/canary",
      "ln -s /etc/shadow $R" + shown + "/link",
      "mv $R" + shown + "/canary $R" + shown + "/other",
  };
  for (const std::string& attack : attacks)
    EXPECT_FALSE(within(attack + " 2>/dev/null", {"--show=" + shown}).ok()) << attack;
  EXPECT_EQ(*read_file(scratch_.path() / "shown" / "canary"), "mine\n");
}

TEST_F(ConfineTest, ProcessesDevicesAndHomesAreNotThere) {
  if (!possible()) GTEST_SKIP() << within("true").err;
  for (const char* place : {"proc", "sys", "dev", "run", "root", "home"})
    EXPECT_EQ(within(std::string("ls -A $R/") + place).out, "") << place;
  EXPECT_EQ(within("cat $R/proc/self/environ $R/proc/1/environ 2>/dev/null").out, "");
}

TEST_F(ConfineTest, WhatIsSharedIsThere) {
  if (!possible()) GTEST_SKIP() << within("true").err;
  const std::string shown = (scratch_.path() / "shown").string();
  EXPECT_EQ(within("cat $R" + shown + "/canary", {"--show=" + shown}).out, "mine\n");
  EXPECT_EQ(within("cat $R" + shown + "/canary 2>/dev/null").out, "") << "only if asked for";
  EXPECT_EQ(within("cat $R" + shown + "/canary", {"--show=" + shown + "/canary"}).out, "mine\n");
  EXPECT_THAT(within("true", {"--show=/no/such"}).err, HasSubstr("share /no/such"));
}

}  // namespace
}  // namespace ktrial::root
