// From a mail to a failure on a real machine.
#include <fmt/format.h>
#include <test_paths.h>

#include "harness/base/file.h"
#include "harness/e2e/e2e.h"
#include "harness/kernel/build/module_build.h"

namespace ktrial::e2e {
namespace {

constexpr char kMail[] =
    R"(From: A Reporter <reporter@example.org>
To: linux-kernel@vger.kernel.org
Subject: kernel panic with a small program
Date: Mon, 16 Mar 2026 09:12:44 +0100
Message-ID: <1@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8

Hello,

in a QEMU guest with 2 CPUs this ends the kernel, as root:

#include <fcntl.h>
#include <unistd.h>

int main(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY);

	return write(fd, "c", 1) == 1 ? 0 : 1;
}

It says:

[   12.100145] sysrq: Trigger a crash
[   12.100506] Kernel panic - not syncing: sysrq triggered crash
[   12.101055] CPU: 1 PID: 143 Comm: repro Not tainted 6.1.0-48-cloud-amd64 #1  Debian 6.1.172-1
[   12.101411] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[   12.104442] Call Trace:
[   12.104807]  <TASK>
[   12.104982]  dump_stack_lvl+0x44/0x5c
[   12.105168]  panic+0x118/0x2ed
[   12.105345]  sysrq_handle_crash+0x16/0x20
[   12.105615]  __handle_sysrq.cold+0x43/0x120
[   12.105715]  write_sysrq_trigger+0x24/0x40
[   12.105815]  proc_reg_write+0x54/0xa0
[   12.105915]  vfs_write+0xc5/0x3c0
[   12.106015]  ksys_write+0x5f/0xe0
[   12.106115]  do_syscall_64+0x55/0xb0
[   12.106215]  entry_SYSCALL_64_after_hwframe+0x6e/0xd8
[   12.106315]  </TASK>
)";

constexpr char kOopsMail[] =
    R"(From: A Reporter <reporter@example.org>
Subject: oops in ktrial_oops
Date: Mon, 16 Mar 2026 09:12:44 +0100
Message-ID: <2@example.org>

The attached program, as root, on 6.1 with 2 CPUs:

[    8.100145] BUG: kernel NULL pointer dereference, address: 0000000000000004
[    8.100506] #PF: supervisor read access in kernel mode
[    8.100806] Oops: 0000 [#1] PREEMPT SMP NOPTI
[    8.101055] CPU: 0 PID: 143 Comm: repro Tainted: G           OE      6.1.0-48-cloud-amd64 #1  Debian 6.1.172-1
[    8.101411] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[    8.101711] RIP: 0010:ktrial_oops+0xb/0x20 [ktrial_inject]
[    8.104442] Call Trace:
[    8.104807]  <TASK>
[    8.104982]  ktrial_inject_init+0x44/0x5c [ktrial_inject]
[    8.105168]  do_one_initcall+0x59/0x220
[    8.105345]  do_init_module+0x4a/0x1f0
[    8.105615]  __do_sys_init_module+0x17f/0x1b0
[    8.105715]  do_syscall_64+0x55/0xb0
[    8.105815]  entry_SYSCALL_64_after_hwframe+0x6e/0xd8
[    8.106315]  </TASK>
)";

// Loads a module that it carries.
std::string loader(const std::string& module) {
  std::string out =
      "#include <stdio.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n\n"
      "static const unsigned char module[] = {\n";
  for (std::size_t i = 0; i < module.size(); ++i)
    out += fmt::format("{},{}", static_cast<unsigned char>(module[i]), i % 24 == 23 ? "\n" : "");
  return out +
         "};\n\nint main(void)\n{\n"
         "\tif (syscall(SYS_init_module, module, sizeof module, \"fault=oops\") != 0)\n"
         "\t\tperror(\"init_module\");\n\treturn 0;\n}\n";
}

class ReproduceE2eTest : public E2eTest {
 protected:
  std::string mail() const {
    const auto path = root() / "report.eml";
    EXPECT_TRUE(write_file_atomically(path, kMail));
    return path.string();
  }
};

// The program in the mail is compiled, packed and run; its panic is the one that the mail tells of.
TEST_F(ReproduceE2eTest, AMailWithAProgramIsReproduced) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"reproduce", mail(), "--kernel", kKernel, "--measure", "0", "--budget",
                           "3m", "--format", "json"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto document = result.json();
  ASSERT_TRUE(document.is_object()) << result.out << result.err;
  EXPECT_EQ(document["result"]["outcome"], "reproduced");
  EXPECT_EQ(document["result"]["trials"][0]["reported"], true);
  EXPECT_NE(document["mail"].get<std::string>().find("I can reproduce this."), std::string::npos);
}

// As a file beside the mail: compiled, packed, run; it loads the module of planted faults.
TEST_F(ReproduceE2eTest, AProgramThatOopsesAKernelWithAModuleOfItsOwn) {
  REQUIRE_KERNEL(kKernel);
  const auto cache = kernel::default_cache_dir();
  ASSERT_TRUE(cache);
  const kernel::ResolveOptions options{.cache_dir = *cache};
  const auto kernel = kernel::resolve(*kernel::parse_reference(kKernel), options);
  ASSERT_TRUE(kernel) << kernel.error().message;
  const auto module = kernel::build_module(
      *kernel, std::filesystem::path(KTRIAL_SOURCE_DIR) / "guest/inject", "ktrial_inject", options);
  if (!module) GTEST_SKIP() << "no module for " << kKernel << ": " << module.error().message;
  const auto report = root() / "oops.eml", program = root() / "repro.c";
  const auto bytes = read_file(module->file, 4u << 20);
  ASSERT_TRUE(bytes);
  ASSERT_TRUE(write_file_atomically(report, kOopsMail));
  ASSERT_TRUE(write_file_atomically(program, loader(*bytes)));
  const auto result = run({"reproduce", report, program, "--kernel", kKernel, "--measure", "1",
                           "--budget", "3m", "--format", "json"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto document = result.json();
  ASSERT_TRUE(document.is_object()) << result.out << result.err;
  EXPECT_EQ(document["experiment"]["reproducer"]["name"], "repro.c");
  EXPECT_EQ(document["result"]["outcome"], "reproduced");
  EXPECT_EQ(document["result"]["measured"]["failures"], 1);
  EXPECT_EQ(document["result"]["trials"][0]["reported"], true);
  EXPECT_EQ(document["result"]["trials"][0]["likely"], false);
  EXPECT_NE(document["result"]["why"].get<std::string>().find("ktrial_oops"), std::string::npos);
}

// What `git bisect run` must stop at.
TEST_F(ReproduceE2eTest, BadInputIsNoVerdict) {
  const std::string nothing = (root() / "nothing").string();
  EXPECT_EQ(run({"reproduce", nothing, "--kernel", kKernel}).exit, 129);
  EXPECT_EQ(run({"reproduce", mail(), "--kernel", nothing}).exit, 129);
  EXPECT_EQ(run({"reproduce", mail(), "--kernel", root().string()}).exit, 129);
  EXPECT_EQ(run({"reproduce", mail(), "--fix", "nonsense"}).exit, 129);
  EXPECT_EQ(run({"reproduce", mail(), "--workload", "nonsense"}).exit, 129);
  EXPECT_EQ(run({"reproduce", mail(), "--kernel", "deb:linux-image-nowhere", "--offline"}).exit,
            128);
}

TEST_F(ReproduceE2eTest, APlanRunsNothing) {
  const auto result = run({"reproduce", mail(), "--plan", "--offline", "--format", "json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(result.json()["understood"][0]["value"], "kernel panic: sysrq triggered crash");
  EXPECT_FALSE(std::filesystem::exists(root() / "state/ktrial"));
}

}  // namespace
}  // namespace ktrial::e2e
