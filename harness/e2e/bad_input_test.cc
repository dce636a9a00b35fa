// Bad input: a clear error that names the culprit, exit code 129 (or 128 where
// the host is at fault), nothing left behind.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "harness/base/child.h"
#include "harness/e2e/e2e.h"
#include "harness/kernel/kernel.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class BadInputTest : public E2eTest {
 protected:
  void expect_refused(const std::vector<std::string>& arguments, int exit,
                      const std::vector<std::string>& words) {
    const auto result = run(arguments);
    EXPECT_EQ(result.exit, exit) << result.err;
    for (const auto& word : words)
      EXPECT_NE(result.err.find(word), std::string::npos) << word << " not in: " << result.err;
    EXPECT_EQ(result.out, "");
  }
  fs::path put(const std::string& name, const std::string& content) {
    EXPECT_TRUE(write_file_atomically(root() / name, content));
    return root() / name;
  }
  Result<kernel::Kernel> everyday_kernel() {
    return kernel::resolve(*kernel::parse_reference(kKernel),
                           {.cache_dir = *kernel::default_cache_dir()});
  }
};

TEST_F(BadInputTest, KernelsThatAreNone) {
  expect_refused({"run", "--kernel", "/nonexistent/bzImage"}, 129, {"/nonexistent/bzImage"});
  expect_refused({"run", "--kernel", put("text", "not a kernel").string()}, 129, {"/text"});
  std::string arm(64, '\0');
  arm.replace(56, 4, "ARM\x64");
  expect_refused({"run", "--kernel", put("Image", arm + std::string(4096, 'x')).string()}, 129,
                 {"/Image", "arm64"});
  expect_refused({"run", "--kernel", "deb:no-such-package-anywhere"}, 129,
                 {"no-such-package-anywhere"});
  expect_refused({"run", "--kernel", "git:HEAD"}, 129, {"git"});
}

TEST_F(BadInputTest, AParameterOfASpecFileIsNamedWithItsLine) {
  REQUIRE_KERNEL(kKernel);
  const auto spec = put("nightly.toml", "workload = 'smoke'\n[set]\nno_such = 3\n");
  expect_refused({"run", spec.string()}, 129, {"/nightly.toml:3: set.no_such: workload 'smoke'"});
  expect_refused({"run", spec.string(), "--set", "no_such=4"}, 129, {"--set no_such: "});
}

TEST_F(BadInputTest, ATruncatedKernelIsNamed) {
  REQUIRE_KERNEL(kKernel);
  auto image = read_file(everyday_kernel()->image);
  ASSERT_TRUE(image);
  const auto cut = put("vmlinuz", image->substr(0, image->size() / 2));
  expect_refused({"run", "--kernel", cut.string()}, 129, {"/vmlinuz", "truncated"});
}

TEST_F(BadInputTest, ABrokenModuleClosureNamesTheModule) {
  REQUIRE_KERNEL(kKernel);
  const auto kernel = *everyday_kernel();
  ASSERT_TRUE(kernel.modules_dir);
  const fs::path copy = root() / "tree";
  fs::create_directories(copy / "boot");
  fs::copy(kernel.image, copy / "boot");
  const fs::path modules = copy / "lib/modules" / kernel.release;
  fs::create_directories(modules);
  fs::copy(*kernel.modules_dir, modules, fs::copy_options::recursive);
  // What a channel takes: the former of any, where virtio is no part of the kernel's image.
  std::string missing;
  for (const std::string name : {"virtio_ring", "vmw_vsock_virtio_transport_common"})
    for (const auto& entry : fs::recursive_directory_iterator(modules))
      if (missing.empty() && entry.path().filename().string().starts_with(name + ".ko")) {
        fs::remove(entry.path());
        missing = name;
        break;
      }
  if (missing != "virtio_ring" && !find_program("vhost-device-vsock"))
    GTEST_SKIP() << "no channel of this host takes a module of this kernel";
  expect_refused({"run", "--kernel", (copy / "boot" / kernel.image.filename()).string(),
                  "--workload", "smoke"},
                 129, {missing});
}

TEST_F(BadInputTest, WorkloadsParametersAndFlags) {
  expect_refused({"run", "--workload", "mmcid-vfrok"}, 129, {"mmcid-vfrok", "mmcid-vfork"});
  expect_refused({"run", "--set", "no-equals-sign"}, 129, {"no-equals-sign"});
  expect_refused({"run", "--memory", "lots"}, 129, {"lots"});
  expect_refused({"run", "--duration", "10"}, 129, {"10"});
  expect_refused({"run", "--cpus", "0"}, 129, {"cpus"});
  expect_refused({"run", "--no-such-flag"}, 129, {"no-such-flag"});
  expect_refused({"run", "--vmm", "libvrit"}, 129, {"libvrit"});
  expect_refused({"run", "--connect", "qemu:///session"}, 129, {"connect", "vmm = libvirt"});
  expect_refused({"run", "--workload", "smoke", "--", "true"}, 129, {"--workload"});
  expect_refused({"analyze", "/nonexistent.log"}, 129, {"/nonexistent.log"});
  expect_refused({"report", "no-such-run"}, 129, {"no-such-run"});
  expect_refused({"report", "--format", "junti"}, 129, {"junti"});
  expect_refused({"report", "--origin", "My Lab"}, 129, {"My Lab"});
  expect_refused({"workload", "show", "nothing"}, 129, {"nothing"});
}

// What a script passes on from a variable that is not set.
TEST_F(BadInputTest, EmptyValuesAreNotTheDefault) {
  expect_refused({"run", "--kernel", ""}, 129, {"--kernel", "empty"});
  expect_refused({"run", "--workload", ""}, 129, {"--workload", "empty"});
  expect_refused({"run", "--"}, 129, {"no command", "--"});
}

// What would be passed over in silence, and another kernel or program be on trial than was meant.
TEST_F(BadInputTest, WhatWouldHaveNoEffectIsRefused) {
  expect_refused({"run", "--config", "kasan"}, 129, {"--config", "--tree"});
  expect_refused({"run", "--compiler", "clang"}, 129, {"--compiler", "--tree"});
  expect_refused({"run", "--tree", root().string()}, 129, {"--tree", "git:HEAD"});
  expect_refused({"run", "--set", "rounds=3", "--", "true"}, 129, {"set", "command"});
}

TEST_F(BadInputTest, FlagsCommandsAndFilesAreNamed) {
  expect_refused({"reprot"}, 129, {"'reprot'", "report"});
  expect_refused({"kernel", "lst"}, 129, {"'lst'", "list"});
  expect_refused({"run", "--kernal", "x"}, 129, {"'--kernal'", "--kernel"});
  expect_refused({"run", "--memory", "5"}, 129, {"--memory", "64M"});
  expect_refused({"run", "--accel", "hvf"}, 129, {"--accel", "tcg"});
  expect_refused({"trace", "--cpu", "many"}, 129, {"--cpu", "not in range", "254"});
  expect_refused({"trace", "--console", "/nonexistent.log"}, 129, {"/nonexistent.log"});
  expect_refused({"bisect", "--simulate", "--good", "x"}, 129, {"--simulate", "--good"});
}

TEST_F(BadInputTest, AClusterThatBringsNoKernelBackBuildsNoneForABisection) {
  const auto fleet = put(
      "fleet.toml", "[slurm]\nfetch = ['cp', '{from}', '{to}']\nsend = ['cp', '{from}', '{to}']\n");
  expect_refused({"bisect", "--tree", root(), "--good", "a", "--bad", "b", "--engine", "slurm",
                  "--fleet", fleet},
                 129, {"--tree: ", "`fetch` and `send`", "--packages"});
}

TEST_F(BadInputTest, AnUnknownParameterIsNamedWithANeighbour) {
  REQUIRE_KERNEL(kKernel);
  expect_refused({"run", "--set", "round=3"}, 129, {"round", "rounds"});
  expect_refused({"run", "--set", "rounds=many"}, 129, {"rounds", "many"});
}

TEST_F(BadInputTest, ASpecFileIsReportedWithLineAndKey) {
  const auto spec = put("bad.toml", "kernel = \"x\"\ncpu = 4\nrepeat = -1\n");
  expect_refused({"run", spec.string()}, 129, {"bad.toml:2", "cpu", "bad.toml:3", "repeat"});
}

TEST_F(BadInputTest, QemuAbsentOrTooOld) {
  environment_["KTRIAL_QEMU"] = "/nonexistent/qemu";
  expect_refused({"run", "--workload", "smoke"}, 128, {"/nonexistent/qemu"});
  const auto fake = put("old-qemu", "#!/bin/sh\necho QEMU emulator version 5.2.0\n");
  ::chmod(fake.c_str(), 0755);
  environment_["KTRIAL_QEMU"] = fake;
  expect_refused({"run", "--workload", "smoke"}, 128, {"5.2", "too old"});
}

TEST_F(BadInputTest, APayloadThatIsMissing) {
  environment_["KTRIAL_PAYLOAD"] = "/nonexistent/payload";
  const auto listed = run({"workload", "list"});
  // The build's own payload is found all the same; nothing may crash.
  EXPECT_TRUE(listed.exit == 0 || listed.exit == 128) << listed.err;
}

class CliTest : public E2eTest {};

// Of a shell's command line, KTRIAL standing for the program.
int exit_of(std::string line, const std::filesystem::path& program) {
  for (std::size_t at; (at = line.find("KTRIAL")) != std::string::npos;)
    line.replace(at, 6, program.string());
  const int status = std::system(("bash -c '" + line + "'").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(CliTest, AReaderThatGoesAwayIsNoCrash) {
  // More than a pipe holds, so that the writer meets the closed end.
  std::string log;
  for (int i = 0; log.size() < (1u << 20); ++i)
    log += "[   28.100000] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [fork:" +
           std::to_string(i) + "]\n" + std::string(320, '\n');
  ASSERT_TRUE(write_file_atomically(root() / "log", log));
  const std::string analyze = "KTRIAL analyze --format json " + (root() / "log").string();
  EXPECT_EQ(exit_of(analyze + " | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}", program_), 0);
  EXPECT_EQ(exit_of("KTRIAL frobnicate 2>&1 | true; exit ${PIPESTATUS[0]}", program_), 129);
  EXPECT_EQ(exit_of("KTRIAL workload list >&-", program_), 0);
}

TEST_F(CliTest, AResultThatCannotBeWrittenIsAnError) {
  EXPECT_EQ(exit_of("KTRIAL workload list 2>/dev/null >/dev/full", program_), 128);
}

TEST_F(CliTest, HelpHasExamplesEverywhere) {
  for (const std::string command : {"", "run", "analyze", "report", "completion"}) {
    std::vector<std::string> arguments;
    if (!command.empty()) arguments.push_back(command);
    arguments.push_back("--help");
    const auto help = run(arguments);
    EXPECT_EQ(help.exit, 0) << command;
    EXPECT_NE(help.out.find("Example"), std::string::npos) << command;
  }
}

TEST_F(CliTest, DoctorNamesEveryChannel) {
  const auto doctor = run({"doctor"});
  EXPECT_EQ(doctor.exit, 0) << doctor.out;
  for (const char* word : {"QEMU", "KVM", "vhost-vsock", "vhost-user-vsock", "virtio-serial"})
    EXPECT_NE(doctor.out.find(word), std::string::npos) << word;
  // Which loses boots, and which was not seen to.
  const bool old = doctor.out.contains("QEMU 7.") || doctor.out.contains("QEMU 8.");
  EXPECT_EQ(doctor.out.contains("boots are lost"), old || doctor.out.contains("QEMU 9."))
      << doctor.out;
}

TEST_F(CliTest, WorkloadsAreListedAndShown) {
  const auto list = run({"workload", "list"});
  EXPECT_EQ(list.exit, 0);
  for (const char* name : {"mmcid-vfork", "fork-storm", "vfork-storm", "vsock-listen", "smoke"}) {
    EXPECT_NE(list.out.find(name), std::string::npos) << name;
    EXPECT_EQ(run({"workload", "show", name}).exit, 0) << name;
  }
}

TEST_F(CliTest, AnalyzeFindsASoftLockup) {
  ASSERT_TRUE(write_file_atomically(
      root() / "log",
      "[   28.1] watchdog\n[   28.100000] watchdog: BUG: soft lockup - CPU#1 stuck "
      "for 26s! [fork:71]\n"));
  const auto result = run({"analyze", "--format", "json", (root() / "log").string()});
  EXPECT_EQ(result.exit, 0);
  const auto json = result.json();
  ASSERT_EQ(json["files"][0]["findings"].size(), 1u) << result.out;
  EXPECT_EQ(json["files"][0]["findings"][0]["kind"], "soft_lockup");
  EXPECT_EQ(json["files"][0]["findings"][0]["first_line"], 2);
}

TEST_F(CliTest, CompletionIsBash) {
  const auto script = run({"completion", "bash"});
  EXPECT_EQ(script.exit, 0);
  ASSERT_TRUE(write_file_atomically(root() / "completion", script.out));
  const std::string check = "bash -n " + (root() / "completion").string() + " && bash -c '. " +
                            (root() / "completion").string() +
                            "; COMP_WORDS=(ktrial run --work); COMP_CWORD=2; _ktrial; "
                            "[ \"${COMPREPLY[0]}\" = --workload ]'";
  EXPECT_EQ(std::system(check.c_str()), 0);
}

}  // namespace
}  // namespace ktrial::e2e
