// From a mail to a failure on a real machine.
#include "harness/base/file.h"
#include "harness/e2e/e2e.h"

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

TEST_F(ReproduceE2eTest, APlanRunsNothing) {
  const auto result = run({"reproduce", mail(), "--plan", "--offline", "--format", "json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(result.json()["understood"][0]["value"], "kernel panic: sysrq triggered crash");
  EXPECT_FALSE(std::filesystem::exists(root() / "state/ktrial"));
}

}  // namespace
}  // namespace ktrial::e2e
