#include "harness/vm/libvirt/ssh.h"

#include <gtest/gtest.h>

namespace ktrial::vm {
namespace {

TEST(LibvirtSshTest, SshIsToldToAskNothing) {
  EXPECT_EQ(without_questions("qemu+ssh://lab1/system"), "qemu+ssh://lab1/system?no_tty=1");
  EXPECT_EQ(without_questions("qemu+ssh://lab1/system?keyfile=/k"),
            "qemu+ssh://lab1/system?keyfile=/k&no_tty=1");
  EXPECT_EQ(without_questions("qemu+ssh://lab1/system?"), "qemu+ssh://lab1/system?no_tty=1");
}

TEST(LibvirtSshTest, WhoNamesNoTtyAndOtherTransportsAreLeftAlone) {
  for (const char* uri :
       {"qemu+ssh://lab1/system?no_tty=0", "qemu+ssh://lab1/system?keyfile=/k&no_tty=1",
        "qemu:///system", "qemu+tls://lab1/system", "qemu+ext://lab1/session?command=ssh", "+ssh",
        "", "qemu+unix:///session?socket=/tmp/a+ssh://b"})
    EXPECT_EQ(without_questions(uri), uri);
  EXPECT_TRUE(asks_nothing(without_questions("qemu+ssh://lab1/system")));
  EXPECT_FALSE(asks_nothing("qemu+ssh://lab1/system?no_tty=0"));
  EXPECT_FALSE(asks_nothing("qemu:///session?no_tty=1"));
}

TEST(LibvirtSshTest, TheCommandToTryIsTheOneThatLibvirtRuns) {
  EXPECT_EQ(ssh_command("qemu+ssh://lab1/system"), "ssh -o BatchMode=yes lab1 true");
  EXPECT_EQ(ssh_command("qemu+ssh://root@[::1]:2222/system?no_verify=1&keyfile=/k"),
            "ssh -o BatchMode=yes -p 2222 -i /k root@::1 true");
  EXPECT_EQ(ssh_command("qemu+ssh://me@[::1]/system?command=/bin/ssh2"),
            "/bin/ssh2 -o BatchMode=yes me@::1 true");
}

TEST(LibvirtSshTest, ALongMessageIsItsLastLine) {
  EXPECT_EQ(in_one_line("x: a\r\n\nb"), "x: a; b");
  EXPECT_EQ(in_one_line("x: @@@\n@ banner\n@@@\nHost key verification failed.: reset\n"),
            "Host key verification failed.: reset");
  EXPECT_EQ(in_one_line("\n\r\n"), "");
}

// As OpenSSH 9.2 and libvirt 9.0 say it.
TEST(LibvirtSshTest, EachFailureSaysWhatToDoNext) {
  constexpr char kUri[] = "qemu+ssh://me@lab1:2222/system";
  const std::pair<const char*, const char*> cases[] = {
      {"me@lab1: Permission denied (publickey,password).", "-p 2222 me@lab1 true"},
      {"Host key verification failed.", "log in by hand once"},
      {"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
       "ssh-keygen -R [lab1]:2222"},
      {"ssh: connect to host lab1 port 2222: Connection refused", "is sshd running there"},
      {"ssh: Could not resolve hostname lab1: Name or service not known",
       "no host has the name lab1"},
      {"sh: 1: nc: not found", "libvirt-daemon-system"},
      {"sh: 1: virt-ssh-helper: not found", "libvirt-daemon-system"},
      {"virt-ssh-helper: cannot connect to '/var/run/libvirt/libvirt-sock': Failed to connect "
       "socket to '/var/run/libvirt/libvirt-sock': Permission denied",
       "group libvirt"},
      {"virt-ssh-helper: cannot connect to '/var/run/libvirt/libvirt-sock': Failed to connect "
       "socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
       "systemctl start libvirtd"},
      {"libvirt:  error : cannot execute binary ssh: No such file or directory", "openssh-client"},
      {"libvirt did not answer in time", "this must work: ssh -o BatchMode=yes"},
  };
  for (const auto& [message, hint] : cases)
    EXPECT_NE(ssh_hint(kUri, message).find(hint), std::string::npos) << ssh_hint(kUri, message);
}

}  // namespace
}  // namespace ktrial::vm
