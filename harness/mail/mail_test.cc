// Mails, pages and pasted text in the forms that they come in, as tables of small made-up ones.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <string>

#include "harness/mail/commands.h"
#include "harness/mail/flow.h"
#include "harness/mail/mime.h"
#include "harness/mail/page.h"
#include "harness/mail/splitter.h"
#include "harness/mail/understand.h"

namespace ktrial::mail {
namespace {

Understanding read(const std::string& text, const std::string& name = "report.eml") {
  Reader reader;
  reader.begin(name);
  reader.feed(text);
  return reader.finish();
}

std::string value(const Understanding& report, std::string_view field) {
  const Fact* fact = report.find(field);
  return fact ? fact->value : "";
}

std::vector<std::string> values(const Understanding& report, std::string_view field) {
  std::vector<std::string> out;
  for (const Fact* fact : report.find_all(field)) out.push_back(fact->value);
  return out;
}
using List = std::vector<std::string>;

constexpr char kHead[] =
    "From: A <a@example.org>\nTo: l@example.org\nSubject: it fails\nMessage-ID: <1@x>\n"
    "MIME-Version: 1.0\n";

std::string mail(const std::string& body, const std::string& type = "text/plain") {
  return kHead + ("Content-Type: " + type + "\n\n") + body;
}

constexpr char kOops[] =
    "[   42.000319] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
    "[   42.000400] Oops: Oops: 0000 [#1] SMP NOPTI\n"
    "[   42.000526] CPU: 0 UID: 0 PID: 512 Comm: mount Tainted: G        W           6.12.30 #3\n"
    "[   42.000730] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3\n"
    "[   42.000961] RIP: 0010:foo_mount_setup+0x1b/0x40\n"
    "[   42.004082] Call Trace:\n"
    "[   42.004334]  <TASK>\n"
    "[   42.004544]  foo_mount+0x7a/0x120\n"
    "[   42.004792]  path_mount+0x4c1/0xaa0\n"
    "[   42.005151]  __x64_sys_mount+0x10c/0x140\n"
    "[   42.007660]  </TASK>\n";

TEST(SplitterTest, KnowsFormsByTheirBeginning) {
  const std::pair<std::string, Form> kTable[] = {{mail("x"), Form::mail},
                                                 {"<!DOCTYPE html>\n<html>", Form::page},
                                                 {"<!-- a comment -->\n<HTML><body>", Form::page},
                                                 {"[    0.000000] Linux version 6.1\n", Form::text},
                                                 {"From: me\nTo: you\nnot a field\n\n", Form::text},
                                                 {"", Form::text}};
  for (const auto& [text, form] : kTable) EXPECT_EQ(form_of(text), form) << text;
}

TEST(SplitterTest, CutsAnMboxHoweverItComes) {
  const std::string from = "From x@y Thu Jan  1 00:00:00 1970\n";
  const std::string box = from + mail("one\n>From the start\n\n") + from + mail("two\n");
  for (const std::size_t step : {1u, 7u, 100000u}) {
    std::vector<Piece> pieces;
    Splitter splitter([&](Piece piece) { pieces.push_back(std::move(piece)); });
    for (std::size_t at = 0; at < box.size(); at += step)
      splitter.feed(std::string_view(box).substr(at, step));
    splitter.finish();
    ASSERT_EQ(pieces.size(), 2u) << step;
    EXPECT_EQ(pieces[0].first_line, 2u);
    EXPECT_NE(pieces[0].bytes.find("\nFrom the start"), std::string::npos);
    EXPECT_EQ(pieces[1].first_line, 13u);
  }
}

TEST(FlowTest, JoinsWhatTheSenderBroke) {
  Part part;
  LineMaker lines(part, {.flowed = true}, 1000);
  lines.feed("a \nb\n> c \n> d\ne \n-- \nsig\n", 5);
  lines.finish();
  List got;
  for (const TextLine& line : part.lines) got.push_back(std::to_string(line.quotes) + line.text);
  EXPECT_EQ(got, (List{"0a b", "1c d", "0e ", "0-- ", "0sig"}));
}

TEST(MimeTest, DecodesPartsAndKeepsLineNumbers) {
  const std::string text = std::string(kHead) +
                           "Content-Type: multipart/mixed; boundary=\"b\"\n\n"  // 6, 7
                           "--b\nContent-Type: text/plain\n"                    // 8, 9
                           "Content-Transfer-Encoding: quoted-printable\n\n"    // 10, 11
                           "a=3Db =\nc\n"                                       // 12, 13
                           "--b\nContent-Type: text/plain; name=\"../../etc/x y.log\"\n"
                           "Content-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n"
                           "aGVsbG8K\nd29ybGQK\n--b--\n";
  const auto messages = read_mail({.form = Form::mail, .bytes = text, .first_line = 1});
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(messages[0].parts.size(), 2u);
  ASSERT_EQ(messages[0].parts[0].lines.size(), 1u);
  EXPECT_EQ(messages[0].parts[0].lines[0].text, "a=b c");
  EXPECT_EQ(messages[0].parts[0].lines[0].number, 12u);
  const Part& log = messages[0].parts[1];
  EXPECT_EQ(log.name, "x_y.log");
  ASSERT_EQ(log.lines.size(), 2u);
  EXPECT_EQ(log.lines[1].text, "world");
  EXPECT_EQ(log.lines[1].number, 20u);
}

TEST(MimeTest, NamesAreHarmless) {
  const std::pair<const char*, const char*> kTable[] = {
      {"../../../../tmp/x.c", "x.c"}, {"..%2f..%2fetc%2fcron.d%2fy", "y"},
      {"/etc/passwd", "passwd"},      {"a b;$(c).c", "a_b___c_.c"},
      {"..", "attachment"},           {"", "attachment"}};
  for (const auto& [name, harmless] : kTable) EXPECT_EQ(harmless_name(name), harmless);
}

TEST(MimeTest, EndlessNestingEnds) {
  std::string text = kHead;
  for (int i = 0; i < 2000; ++i)
    text += "Content-Type: multipart/mixed; boundary=\"b" + std::to_string(i) + "\"\n\n--b" +
            std::to_string(i) + "\n";
  EXPECT_FALSE(read_mail({.form = Form::mail, .bytes = text}).empty());
}

TEST(PageTest, KeepsTextAndLeavesOutNeighbours) {
  Part part;
  std::string title;
  read_page(
      "<html><head><title>It &amp; that</title><script>BUG: no</script></head><body>\n"
      "<a href=x>Prev: BUG: another one</a>\n<p>The kernel\nis <a href=y>6.1.2</a> here.</p>\n"
      "<pre>\nline one &lt;TASK&gt;\n\nline three</pre><blockquote>old</blockquote></body></html>",
      1, 10000, part, title);
  List got;
  for (const TextLine& line : part.lines)
    if (!line.text.empty()) got.push_back(std::to_string(line.quotes) + line.text);
  EXPECT_EQ(title, "It & that");
  EXPECT_EQ(got, (List{"0The kernel is 6.1.2 here.", "0line one <TASK>", "0line three", "1old"}));
}

TEST(CommandsTest, TellsCommandsFromProse) {
  for (const char* yes :
       {"stress-ng --futex 16 --timeout 0", "./repro 8",
        "# echo 0 > /sys/devices/system/cpu/cpu3/online", "sudo modprobe foo",
        "for i in 1 2; do x; done", "user@host:~$ ip netns add x", "make -j24", "podman run --rm x",
        "bash test.sh", "./run.sh", "fio --name=x --rw=randwrite"})
    EXPECT_TRUE(looks_like_command(yes)) << yes;
  for (const char* no : {"make sure that it works", "for all of them", "gcc -O2 -o repro repro.c",
                         "echo w > /proc/sysrq-trigger", "make ARCH=x86_64 olddefconfig bzImage",
                         "the kernel", "git bisect start", "watch out", "./drivers/foo.c: x",
                         "find the reason", "dmesg | tail", "#syz test: git://a b"})
    EXPECT_FALSE(looks_like_command(no)) << no;
}

TEST(UnderstandTest, ReadsAReport) {
  const auto report = read(
      mail(std::string("Mounting fails on 6.12.30 with 4 vCPUs under KVM; 6.12.29 is fine.\n\n") +
           kOops + "\nRun it with: mount -o loop img /mnt\n"));
  EXPECT_EQ(value(report, "signature"),
            "BUG: unable to handle kernel NULL pointer dereference in foo_mount_setup");
  EXPECT_EQ(value(report, "kind"), "null_dereference");
  EXPECT_EQ(value(report, "culprit"), "foo_mount_setup");
  EXPECT_EQ(value(report, "release"), "6.12.30");
  EXPECT_EQ(value(report, "release_good"), "6.12.29");
  EXPECT_EQ(value(report, "release_bad"), "6.12.30");
  EXPECT_EQ(value(report, "taint"), "W");
  EXPECT_EQ(value(report, "cpus"), "4");
  EXPECT_EQ(value(report, "arch"), "x86_64");
  EXPECT_EQ(value(report, "workload"), "mount -o loop img /mnt");
  EXPECT_EQ(report.find("signature")->line, 10u);
  EXPECT_EQ(report.failures.front().frames,
            (List{"foo_mount_setup", "foo_mount", "path_mount", "sys_mount"}));
}

TEST(UnderstandTest, JudgesVersions) {
  struct Row {
    const char* text;
    List good, bad;
  };
  const Row kTable[] = {
      {"v6.18.15 is good. v6.19.8 is bad.", {"6.18.15"}, {"6.19.8"}},
      {"Good: 6.12.5, 6.12.9", {"6.12.5", "6.12.9"}, {}},
      {"It worked on 6.1.4 and fails with 6.1.5.", {"6.1.4"}, {"6.1.5"}},
      {"The last known good kernel is v6.17.2.", {"6.17.2"}, {}},
      {"6.11 was never tried, and 6.14 is not out yet.", {}, {}},
      {"It has been there since 5.15 on this laptop.", {}, {}},
      {"I use QEMU 7.2.22 and gcc 12.2.0.", {}, {}},
      {"(6.13.8 did not do it)", {"6.13.8"}, {}},
      {"Still the old 6.18.2, which was fine.", {"6.18.2"}, {}},
      {"I cannot reproduce it with v6.18.1.", {"6.18.1"}, {}},
      {"I'm announcing the release of the 6.17.3 kernel. 6.16.12 is end of life.", {}, {}},
      {"We see the same on 6.12.33. It does not happen on 6.12.20.", {"6.12.20"}, {"6.12.33"}},
      {"6.15.3 stalls after a minute; 6.15.2 does not.", {"6.15.2"}, {"6.15.3"}},
      {"Works fine with 6.14.8, broken with 6.14.9.", {"6.14.8"}, {"6.14.9"}},
      {"I also tried 6.16-rc4 which has the same problem.", {}, {"6.16-rc4"}},
      {"This is a regression from 6.14 to 6.15.", {"6.14"}, {"6.15"}},
      {"It broke between v6.14 and v6.15-rc1.", {"6.14"}, {"6.15-rc1"}},
      {"Upgrading from 6.14.8 to 6.14.9 fixed it.", {}, {}},
      {"#regzbot introduced: v6.14..v6.15", {"6.14"}, {"6.15"}},
      {"Going back to 6.14.8 makes it go away.", {"6.14.8"}, {}},
      {"I can reproduce it with both v6.15.2 and v6.16-rc1.", {}, {"6.15.2", "6.16-rc1"}},
      {"6.1.140 and 6.6.93 are not affected.", {"6.1.140", "6.6.93"}, {}},
      {"6.15.4 with the same commit is not affected.", {"6.15.4"}, {}},
      {"Since 6.14.9 the machine freezes.", {}, {"6.14.9"}},
      {"It should be fixed in 6.16-rc5.", {}, {}},
      {"This no longer happens in 6.16-rc1.", {"6.16-rc1"}, {}},
      {"6.14.8: works\n6.14.9: hangs", {"6.14.8"}, {"6.14.9"}},
      {"| 6.14.8 | good |\n| 6.14.9 | bad |", {"6.14.8"}, {"6.14.9"}},
      {"Bad: 6.13-rc1, 6.13-rc4\n(6.11 was never tried, 6.14 is not out yet.)\n6.12 is good.",
       {"6.12"},
       {"6.13-rc1", "6.13-rc4"}},
      {"6.18.15 is good. A guest with two CPUs does not freeze on 6.19.6 either.",
       {"6.18.15"},
       {"6.19.6"}},
      {"Rebased on v6.16-rc1.", {}, {}}};
  for (const Row& row : kTable) {
    const auto report = read(std::string(row.text) + "\n", "x.txt");
    EXPECT_EQ(values(report, "release_good"), row.good) << row.text;
    if (row.good.empty() || !row.bad.empty()) {
      EXPECT_EQ(values(report, "release_bad"), row.bad) << row.text;
    }
  }
}

TEST(UnderstandTest, ReadsFieldsOfProse) {
  struct Row {
    const char* text;
    const char* field;
    List want;
  };
  const Row kTable[] = {
      {"Booted with: root=/dev/vda2 ro console=ttyS0,115200 nokaslr\n",
       "cmdline",
       {"root=/dev/vda2", "ro", "console=ttyS0,115200", "nokaslr"}},
      {"Boot line:\n\n  BOOT_IMAGE=/vmlinuz root=/dev/sda rw\n",
       "cmdline",
       {"BOOT_IMAGE=/vmlinuz", "root=/dev/sda", "rw"}},
      {"no special boot options.\n", "cmdline", {}},
      {"The guest has four CPUs.\n", "cpus", {"4"}},
      {"With -smp 2 I could not get it to hang.\n", "cpus", {}},
      {"qemu-system-aarch64 -smp 6\n", "cpus", {"6"}},
      {"qemu-system-aarch64 -smp 6\n", "arch", {"arm64"}},
      {"a handful of threads, one or two more than there are CPUs\n", "cpus", {}},
      {"with CONFIG_NO_HZ_FULL=n I could not see it\n", "config", {"CONFIG_NO_HZ_FULL=y"}},
      {"it needs CONFIG_FOO_BAR to be set\n", "config", {"CONFIG_FOO_BAR=y"}},
      {"git bisect ends at\n\n  5d2a7c0e91f3b844 (\"pid: x\")\n", "bisected", {"5d2a7c0e91f3b844"}},
      {"abcdef012345 is the first bad commit\n", "bisected", {"abcdef012345"}},
      {"The last good step was 8f1e0d2c3b4a.\n", "bisected", {}},
      {"commit:    b3e1f07c5a2d4496\n", "bisected", {}},
      {"Fixes: 7b3c9a61d0e4 (\"x\")\n", "fixes", {"7b3c9a61d0e4"}},
      {"#syz fix: exact-commit-title\n", "fixes", {}},
      {"#syz fix: mm: do it right\n", "fixes", {"mm: do it right"}},
      {"git tree:       linux-next\n", "tree", {"linux-next"}},
      {"compiler: aarch64-linux-gcc (GCC) 9.1.0\n", "release", {}},
      {"commit: d006330b Merge tag 'sound-6.16-rc6' of git://x\n", "release", {}},
      {"since the update my X1 (Intel, 16 threads) no longer works\n", "cpus", {"16"}},
      {"in testcase: trinity\n", "workload", {"trinity"}},
      {"C reproducer:   https://example.org/x/repro.c?x=1\n",
       "reproducer",
       {"https://example.org/x/repro.c?x=1"}},
      {"syz repro:      https://example.org/x/repro.syz?x=1\n", "reproducer", {}},
      {"#include <stdio.h>\n\nint main(void)\n{\n\treturn 0;\n}\n\nThat is all.\n",
       "reproducer",
       {"inline"}},
      {"diff --git a/x.c b/x.c\n--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@ int "
       "foo(void)\n-\ta();\n+\tb();\n",
       "patch",
       {"yes"}}};
  for (const Row& row : kTable)
    EXPECT_EQ(values(read(row.text, "x.txt"), row.field), row.want) << row.text;
}

TEST(UnderstandTest, TheReportedFailureComesFirst) {
  const std::string warning =
      "[    4.400312] ------------[ cut here ]------------\n"
      "[    4.400562] WARNING: CPU: 2 PID: 412 at drivers/x.c:761 bar_init+0x131/0x160\n"
      "[    4.400789] CPU: 2 UID: 0 PID: 412 Comm: x Not tainted 6.12.30 #1\n"
      "[    4.401222] RIP: 0010:bar_init+0x131/0x160\n[    4.401414] Call Trace:\n[    4.401673]  "
      "<TASK>\n"
      "[    4.401972]  bar_probe+0x1b2/0x1f0\n[    4.403058]  </TASK>\n"
      "[    4.403425] ---[ end trace 0000000000000000 ]---\n";
  const auto report =
      read(mail("At boot there is this unrelated one:\n\n" + warning + "\nand then\n\n" + kOops));
  ASSERT_EQ(report.failures.size(), 2u);
  EXPECT_EQ(report.failures[0].culprit, "foo_mount_setup");
  // Somebody else's, quoted where nothing was answered.
  std::string quoted;
  for (std::string_view rest = kOops; !rest.empty();) {
    quoted += "> " + std::string(rest.substr(0, rest.find('\n') + 1));
    rest.remove_prefix(rest.find('\n') + 1);
  }
  const auto other = read(mail(warning + "\nIs it this one?\n\n" + quoted));
  EXPECT_EQ(other.failures[0].culprit, "bar_init");
}

TEST(UnderstandTest, AcquitsAndStresses) {
  const auto report = read(
      "I first blamed vsock, but replacing it changes nothing; what matters is vfork.\n", "x.txt");
  EXPECT_TRUE(report.words.at("vsock").acquitted);
  EXPECT_FALSE(report.words.at("vfork").acquitted);
  EXPECT_TRUE(report.words.at("vfork").matters);
}

TEST(UnderstandTest, FilesBesideAReportBelongToIt) {
  Reader reader;
  reader.begin("report.eml");
  reader.feed(mail("It fails here, on 6.12.30.\n"));
  reader.begin("console.log");
  reader.feed(kOops);
  reader.begin("dir/repro.c");
  reader.feed("int main(void) { return 0; }\n");
  const auto report = reader.finish();
  EXPECT_EQ(value(report, "culprit"), "foo_mount_setup");
  EXPECT_EQ(value(report, "reproducer"), "repro.c");
  ASSERT_EQ(report.sources.size(), 1u);
  EXPECT_EQ(report.sources[0].text, "int main(void) { return 0; }\n");
}

// A module as an array of numbers makes it long.
TEST(UnderstandTest, AProgramMayBeLong) {
  std::string program = "static const unsigned char module[] = {\n";
  while (program.size() < (3u << 20)) program += "127,69,76,70,2,1,1,0,\n";
  program += "};\nint main(void) { return 0; }\n";
  Reader reader;
  reader.begin("repro.c");
  reader.feed(program);
  const auto report = reader.finish();
  ASSERT_EQ(report.sources.size(), 1u);
  EXPECT_EQ(report.sources[0].text, program);
}

TEST(UnderstandTest, OfManyThreadsTheOneThatFails) {
  std::string box;
  for (int i = 0; i < 1200; ++i)
    box += "From x@y Thu Jan  1 00:00:00 1970\nFrom: a@b\nSubject: talk " + std::to_string(i) +
           "\nMessage-ID: <t" + std::to_string(i) + "@x>\n\n" +
           (i == 1131 ? kOops : "Nothing of interest.\n") + "\n";
  const auto report = read(box, "x.mbox");
  EXPECT_EQ(report.subject, "talk 1131");
  EXPECT_EQ(value(report, "culprit"), "foo_mount_setup");
  ASSERT_FALSE(report.notes.empty());
}

// A mailbox of 10 MiB, of which no more is kept than what its mails say.
TEST(UnderstandTest, AMailboxIsNotHeld) {
  std::string body;
  while (body.size() < (1u << 20)) body += "[   12.000001] a line of a console that says nothing\n";
  Reader reader;
  reader.begin("x.mbox");
  std::size_t first = 0;
  for (int i = 0; i < 10; ++i) {
    reader.feed("From x@y Thu Jan  1 00:00:00 1970\nFrom: a@b\nSubject: talk " + std::to_string(i) +
                "\nMessage-ID: <t" + std::to_string(i) + "@x>\n\n");
    reader.feed(body);
    reader.feed("\n");
    if (i == 2) first = ::mallinfo2().uordblks;
  }
  EXPECT_LT(::mallinfo2().uordblks, first + (2u << 20)) << "grows with what was read";
  EXPECT_FALSE(reader.finish().notes.empty());
}

TEST(UnderstandTest, NothingIsAnAnswer) {
  for (const char* text : {"", "\n\n", "\x1f\x8b", "From \n", "<html>"})
    EXPECT_TRUE(read(text).facts.empty()) << text;
}

}  // namespace
}  // namespace ktrial::mail
