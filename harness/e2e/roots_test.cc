// Commands with a userland: what they find, and that the host stays as it was.
#include <signal.h>
#include <unistd.h>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/e2e/daemon.h"
#include "harness/e2e/e2e.h"
#include "harness/e2e/served.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class RootsTest : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    if (on_libvirt()) GTEST_SKIP() << "not on libvirt: its machines are not given a root";
  }
  // From here on ktrial is started by a user without rights, whoever we are: in a user namespace,
  // where he has our files. False where there can be none.
  bool become_ordinary_user() {
    const std::vector<std::string> ordinary = {"unshare", "--user", "--map-user=1000",
                                               "--map-group=1000", "--"};
    std::vector<std::string> nested = ordinary;
    nested.insert(nested.end(), {"unshare", "--user", "--map-root-user", "--mount", "true"});
    const auto tried = run_command(nested);
    const fs::path start = root() / "ktrial-of-an-ordinary-user";
    std::string script = "#!/bin/sh\nexec";
    for (const std::string& word : ordinary) script += " " + word;
    script += " '" + program_.string() + "' \"$@\"\n";
    const bool written = write_script(start, script).has_value();
    program_ = start;
    return written && tried && tried->ok();
  }
  // One static program, in a place where a user's may lie.
  fs::path tree_of_one_program() {
    const fs::path tree = root() / "tree";
    fs::create_directories(tree / "bin");
    fs::copy_file(program_.parent_path().parent_path() / "share/ktrial/workloads/smoke/smoke",
                  tree / "bin/smoke");
    return tree;
  }
  Outcome smoke_in(const std::string& tree) {
    return run({"run", "--kernel", kKernel, "--cpus", "2", "--format", "json", "--root", tree, "--",
                "/bin/smoke", "--duration=1"});
  }
  Outcome guest(const std::string& script, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"run",      "--kernel", kKernel,  "--cpus", "2",
                                          "--format", "json",     "--root", "host"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--", "sh", "-c", script});
    return run(arguments);
  }
};

#define REQUIRE_SERVER() \
  if (const auto can = can_serve(program_); !can) GTEST_SKIP() << can.error().message

TEST_F(RootsTest, TheHostsFilesAreThereAndStayAsTheyWere) {
  REQUIRE_KERNEL(kKernel);
  REQUIRE_SERVER();
  const auto result = guest(
      "python3 -c 'print(6*7)' && touch /etc/ktrial-e2e && rm -f /bin/true && ! test -e /bin/true "
      "&&"
      " echo x > /dev/stdout && test -e /dev/fd/0 && test -d /dev/pts && unshare -U /bin/false;"
      " test $? = 1 && hostname && echo home=$HOME here=$(pwd) || exit 1;"
      // Of the guest's kernel, by its release, whatever the host's is.
      " modprobe squashfs || exit 2; grep squashfs /proc/filesystems");
  EXPECT_EQ(result.exit, 0) << result.err << result.out;
  EXPECT_NE(result.err.find("42"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("home=/root here=" + fs::current_path().string()), std::string::npos);
  EXPECT_FALSE(fs::exists("/etc/ktrial-e2e"));
  EXPECT_TRUE(fs::exists("/bin/true"));
  EXPECT_NE(fact(result.json(), "root").find("virtiofs"), std::string::npos);
}

// As root in the guest: another mount of the same files, made writable; all below must fail.
std::string attacks(const fs::path& shared) {
  const std::string at = "/mnt" + shared.string();
  const std::string attacks[] = {
      "touch /mnt/etc/ktrial-attack",
      "echo x >> " + at + "/canary",
      "rm -f " + at + "/canary && ! test -e " + at + "/canary",
      "chmod 4777 " + at + "/canary",
      "mknod " + at + "/device c 1 1",
      "ln -s /etc/shadow " + at + "/link",
      "mv " + at + "/canary " + at + "/moved",
      "cat /mnt/proc/self/environ /mnt/proc/1/environ",
      "test -n \"$(ls -A /mnt/proc /mnt/sys /mnt/dev /mnt/root /mnt/home | grep -v :)\"",
      "test \"$(ls -A /mnt/run)\" != ktrial-modules",
      "cat /mnt/dev/mem",
  };
  std::string script =
      "mount -t virtiofs ktrial-root /mnt || exit 3; mount -o remount,rw /mnt; test -e " + at +
      "/canary || exit 4\n";
  for (const std::string& attack : attacks)
    script += "if { " + attack +
              "; } >/dev/null 2>&1; then echo 'succeeded: " + attack.substr(0, 20) +
              "'; exit 5; fi\n";
  return script;
}

TEST_F(RootsTest, NoAttackReachesTheHost) {
  REQUIRE_KERNEL(kKernel);
  REQUIRE_SERVER();
  const fs::path shared = root() / "shared";
  fs::create_directory(shared);
  ASSERT_TRUE(write_file_atomically(shared / "canary", "mine\n"));
  const auto result = guest(attacks(shared), {"--share", shared.string()});
  EXPECT_EQ(result.exit, 0) << result.err << result.out;
  EXPECT_EQ(*read_file(shared / "canary"), "mine\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(shared), {}), 1);
  EXPECT_FALSE(fs::exists("/etc/ktrial-attack"));
}

// The same files, all of them root's there, and as little harm.
TEST_F(RootsTest, AnOrdinaryUserHasTheHostsFilesToo) {
  REQUIRE_KERNEL(kKernel);
  if (const auto server = root::find_file_server(false); !server)
    GTEST_SKIP() << server.error().message;
  if (!become_ordinary_user()) GTEST_SKIP() << "no user namespaces here";
  const fs::path shared = root() / "shared";
  fs::create_directory(shared);
  ASSERT_TRUE(write_file_atomically(shared / "canary", "mine\n"));
  const auto result = guest(
      "test \"$(stat -c %u:%g /etc/passwd /usr/bin/su | uniq)\" = 0:0 || exit 6\n"
      "python3 -c 'print(6*7)' && touch /etc/ktrial-e2e && rm -f /bin/true &&"
      " ! test -e /bin/true || exit 7\n" +
          attacks(shared),
      {"--share", shared.string()});
  EXPECT_EQ(result.exit, 0) << result.err << result.out;
  EXPECT_NE(result.err.find("42"), std::string::npos) << result.err;
  EXPECT_EQ(*read_file(shared / "canary"), "mine\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(shared), {}), 1);
  for (const char* path : {"/etc/ktrial-e2e", "/etc/ktrial-attack"})
    EXPECT_FALSE(fs::exists(path)) << path;
  EXPECT_TRUE(fs::exists("/bin/true"));
}

TEST_F(RootsTest, AFileServerThatDiesIsNotTheKernelsFault) {
  REQUIRE_KERNEL(kKernel);
  REQUIRE_SERVER();
  auto running = start({"run", "--kernel", kKernel, "--cpus", "2", "--format", "json", "--root",
                        "host", "--", "sh", "-c", "echo ready; sleep 600"});
  ASSERT_TRUE(eventually([&] { return running.err().find("ready") != std::string::npos; }))
      << running.err();
  for (const pid_t pid : processes("virtiofsd")) ::kill(pid, SIGKILL);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_NE(result.out.find("the file server broke: virtiofsd"), std::string::npos) << result.out;
}

TEST_F(RootsTest, AnInputAFolderAndAVariable) {
  REQUIRE_KERNEL(kKernel);
  REQUIRE_SERVER();
  ASSERT_TRUE(write_file_atomically(root() / "in",
                                    "echo read $LEVEL in $(pwd)\n"
                                    "cd $KTRIAL_OUTPUT && mkdir -p a/b && echo left > a/b/file\n"
                                    "seq 100000 > large; ln -s /etc/passwd link; mkfifo pipe\n"
                                    "echo beside > ../outside\n"));
  const fs::path back = root() / "back";
  const auto result = run({"run", "--kernel", kKernel, "--cpus", "2", "--root", "host", "--cwd",
                           "/usr/bin", "--env", "LEVEL=2", "--input", (root() / "in").string(),
                           "--output", back.string(), "--", "sh"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.out.find("read 2 in /usr/bin"), std::string::npos) << result.out;
  EXPECT_EQ(read_file(back / "a/b/file").value_or(""), "left\n") << result.err;
  EXPECT_EQ(read_file(back / "large").value_or("").size(), 588895u);
  EXPECT_EQ(std::distance(fs::directory_iterator(back), {}), 2) << "no link, no pipe";
  EXPECT_FALSE(fs::exists(root() / "outside"));
  EXPECT_NE(result.err.find("2 links, devices, pipes or sockets were left out"), std::string::npos)
      << result.err;
  const auto nowhere = run({"run", "--kernel", kKernel, "--cpus", "2", "--root", "host", "--cwd",
                            "/no/such", "--", "true"});
  EXPECT_EQ(nowhere.exit, 125) << nowhere.err;
  EXPECT_NE(nowhere.err.find("the guest has no folder /no/such"), std::string::npos);
}

// A tarball of one static program: as a disk where there is sqfstar, else in the guest's RAM.
TEST_F(RootsTest, ATarballIsARootOfItsOwn) {
  REQUIRE_KERNEL(kKernel);
  const auto packed = run_command({"tar", "-C", tree_of_one_program().string(), "-czf",
                                   (root() / "tree.tar.gz").string(), "."});
  ASSERT_TRUE(packed && packed->ok());
  const auto result = smoke_in((root() / "tree.tar.gz").string());
  EXPECT_EQ(result.exit, 0) << result.err;
  const auto missing = run({"run", "--kernel", kKernel, "--cpus", "2", "--root",
                            (root() / "tree.tar.gz").string(), "--", "python3"});
  EXPECT_EQ(missing.exit, 125) << missing.err;
  EXPECT_NE(missing.err.find("the guest cannot run python3"), std::string::npos) << missing.err;
}

TEST_F(RootsTest, AFolderIsARoot) {
  REQUIRE_KERNEL(kKernel);
  REQUIRE_SERVER();
  const auto result = smoke_in(tree_of_one_program().string());
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(fact(result.json(), "root").find("tree, by virtiofs"), std::string::npos) << result.out;
}

// ext4 is mounted writable, which writes to its superblock.
TEST_F(RootsTest, AnImageStaysAsItWas) {
  REQUIRE_KERNEL(kKernel);
  const std::string tree = tree_of_one_program().string();
  int tried = 0;
  for (const std::string kind : {"ext4", "squashfs", "erofs"}) {
    const std::string image = (root() / kind).string();
    const auto made =
        kind == "ext4" ? run_command({"/usr/sbin/mkfs.ext4", "-q", "-d", tree, image, "16M"})
        : kind == "squashfs"
            ? run_command({"mksquashfs", tree, image, "-quiet", "-no-progress", "-all-root"})
            : run_command({"mkfs.erofs", image, tree});
    if (!made || !made->ok()) continue;
    ++tried;
    const std::string before = read_file(image).value_or("");
    const auto result = smoke_in(image);
    EXPECT_EQ(result.exit, 0) << result.err;
    EXPECT_NE(fact(result.json(), "root").find(kind + " on"), std::string::npos) << result.out;
    EXPECT_TRUE(!before.empty() && before == read_file(image).value_or("")) << kind;
  }
  if (tried == 0) GTEST_SKIP() << "no mkfs.ext4, mksquashfs or mkfs.erofs";
}

TEST_F(RootsTest, BusyboxIsTheSmallestUserland) {
  REQUIRE_KERNEL(kKernel);
  const auto result =
      run({"run", "--kernel", kKernel, "--cpus", "2", "--root", "minimal", "--", "sh", "-c",
           "readlink $(which vi); cd && mount -t tmpfs none /mnt && df"});
  if (result.exit == 128) GTEST_SKIP() << result.err;
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.out.find("busybox"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("/mnt"), std::string::npos) << result.out;
}

TEST_F(RootsTest, WhatIsNoRootIsSaid) {
  const auto file = root() / "text";
  ASSERT_TRUE(write_file_atomically(file, "hello\n"));
  EXPECT_EQ(run({"run", "--root", "host"}).exit, 129) << "a workload needs none";
  EXPECT_EQ(run({"run", "--env", "LEVEL", "--", "true"}).exit, 129);
  REQUIRE_KERNEL(kKernel);
  for (const std::string& bad :
       {file.string(), std::string("/no/such"), std::string("debian:..")}) {
    const auto result = run({"run", "--kernel", kKernel, "--root", bad, "--", "true"});
    EXPECT_EQ(result.exit, 129) << bad << result.err;
  }
}

// Made once, by the network; kept among the user's other roots.
TEST_F(RootsTest, ASuiteOfDebiansIsARoot) {
  REQUIRE_KERNEL(kKernel);
  const auto result =
      run({"run", "--kernel", kKernel, "--cpus", "2", "--root", "debian:bookworm", "--", "sh", "-c",
           "perl -e 'print 6*7'; cat /etc/debian_version; strace -V | head -n 1; touch /usr/x"});
  if (result.exit == 128) GTEST_SKIP() << result.err;
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.out.find("4212."), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("strace -- version"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace ktrial::e2e
