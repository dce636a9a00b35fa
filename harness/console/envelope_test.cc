// The heart of the envelope's tests: a report tells the same in whatever it is wrapped, and its
// lines keep the numbers that they have in the file.
#include "harness/console/envelope.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "harness/base/text.h"
#include "harness/console/analyzer.h"

namespace ktrial::console {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct Wrapper {
  const char* name;
  std::function<std::string(const std::string& message, int i)> wrap;
};
std::ostream& operator<<(std::ostream& out, const Wrapper& wrapper) { return out << wrapper.name; }

std::string clock(int i, const char* between = ":") {
  return fmt::format("{:02}{}{:02}{}{:02}", 9 + i / 3600, between, i / 60 % 60, between, i % 60);
}
std::string json_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (c == '\t')
      out += "\\t";
    else
      out.push_back(c);
  }
  return out;
}
std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}
std::string html(std::string text) {
  for (const auto& [from, to] :
       {std::pair{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}})
    text = replaced(std::move(text), from, to);
  return text;
}

// What may stand before a whole console line, stamp and all, or before a message without one.
const Wrapper kAround[] = {
    {"plain", [](auto& m, int) { return m; }},
    {"crlf", [](auto& m, int) { return m + "\r"; }},
    {"journal-short", [](auto& m, int i) { return "Mar 01 " + clock(i) + " host1 kernel: " + m; }},
    {"journal-no-hostname", [](auto& m, int i) { return "Mar 01 " + clock(i) + " kernel: " + m; }},
    {"journal-russian",
     [](auto& m, int i) { return "июл 01 " + clock(i) + " host-1 kernel: " + m; }},
    {"journal-french", [](auto& m, int i) { return "févr. 01 " + clock(i) + " h kernel: " + m; }},
    {"journal-german",
     [](auto& m, int i) { return "Mär 01 " + clock(i) + " h.example.org kernel: " + m; }},
    {"journal-japanese",
     [](auto& m, int i) { return "3月 01 " + clock(i) + " host1 kernel: " + m; }},
    {"journal-precise",
     [](auto& m, int i) { return "Mar 01 " + clock(i) + ".123456 host1 kernel: " + m; }},
    {"journal-iso",
     [](auto& m, int i) { return "2024-03-01T" + clock(i) + "+0000 host1 kernel: " + m; }},
    {"journal-iso-precise",
     [](auto& m, int i) { return "2024-03-01T" + clock(i) + ".123456+01:00 host1 kernel: " + m; }},
    {"journal-full",
     [](auto& m, int i) { return "Fri 2024-03-01 " + clock(i) + " CET host1 kernel: " + m; }},
    {"journal-monotonic",
     [](auto& m, int i) { return fmt::format("[{:5}.123456] host1 kernel: ", i) + m; }},
    {"journal-unix",
     [](auto& m, int i) { return fmt::format("{}.123456 host1 kernel: ", 1709294400 + i) + m; }},
    {"journal-pid", [](auto& m, int i) { return "Mar 01 " + clock(i) + " host1 kernel[0]: " + m; }},
    {"busybox",
     [](auto& m, int i) { return "Mar  1 " + clock(i) + " host1 kern.warn kernel: " + m; }},
    {"logread",
     [](auto& m, int i) { return "Fri Mar  1 " + clock(i) + " 2024 kern.warn kernel: " + m; }},
    {"rfc5424",
     [](auto& m, int i) {
       return "<4>1 2024-03-01T" + clock(i) + ".003Z host1 kernel - - - " + m;
     }},
    {"rfc3164", [](auto& m, int i) { return "<4>Mar  1 " + clock(i) + " host1 kernel: " + m; }},
    {"grep-file",
     [](auto& m, int i) { return "/var/log/kern.log:Mar  1 " + clock(i) + " host1 kernel: " + m; }},
    {"github", [](auto& m, int i) { return "2024-03-01T" + clock(i) + ".8031234Z " + m; }},
    {"gitlab", [](auto& m, int i) { return "2024-03-01T" + clock(i) + ".803123Z 01O " + m; }},
    {"gitlab-ansi", [](auto& m, int) { return "\x1b[0;m" + m + "\x1b[0;m"; }},
    {"jenkins", [](auto& m, int i) { return "[2024-03-01T" + clock(i) + ".803Z] " + m; }},
    {"jenkins-clock", [](auto& m, int i) { return clock(i) + "  " + m; }},
    {"lava", [](auto& m, int i) { return "2024-03-01T" + clock(i) + ".803123  " + m; }},
    {"lava-yaml",
     [](auto& m, int i) {
       return R"(- {"dt": "2024-03-01T)" + clock(i) + R"(.803123", "lvl": "target", "msg": ")" +
              json_escaped(m) + "\"}";
     }},
    {"docker-json",
     [](auto& m, int i) {
       return R"({"log":")" + json_escaped(m) + R"(\n","stream":"stdout","time":"2024-03-01T)" +
              clock(i) + R"(.8Z"})";
     }},
    {"compose", [](auto& m, int) { return "vm-1  | " + m; }},
    {"compose-times",
     [](auto& m, int i) { return "vm-1  | 2024-03-01T" + clock(i) + ".803123456Z " + m; }},
    {"tio", [](auto& m, int i) { return "[" + clock(i) + ".803] " + m; }},
    {"minicom", [](auto& m, int i) { return "[2024-03-01 " + clock(i) + "] " + m; }},
    {"ts", [](auto& m, int i) { return "Mar 01 " + clock(i) + " " + m; }},
    {"grabserial", [](auto& m, int i) { return fmt::format("[{}.000123 0.000456] ", i) + m; }},
    {"quote", [](auto& m, int) { return "> " + m; }},
    {"quotes", [](auto& m, int) { return ">>> " + m; }},
    {"spaced-quotes", [](auto& m, int) { return "> > > " + m; }},
    {"quoted-journal",
     [](auto& m, int i) { return "> > Mar 01 " + clock(i) + " host1 kernel: " + m; }},
    {"quoted-kernel", [](auto& m, int) { return "> kernel: " + m; }},
    {"tab", [](auto& m, int) { return "\t" + m; }},
    {"indent", [](auto& m, int) { return "        " + m; }},
    {"table", [](auto& m, int) { return "| " + m; }},
    {"cat-n", [](auto& m, int i) { return fmt::format("{:6}\t", i + 1) + m; }},
    {"html", [](auto& m, int) { return html(m); }},
    {"html-br", [](auto& m, int) { return html(m) + "<br />"; }},
    {"html-nbsp", [](auto& m, int) { return replaced(m, "  ", "\u00a0 "); }},
    {"unknown-tool", [](auto& m, int i) { return fmt::format("{{{}}} node7/ttyS0 ~ ", i) + m; }},
    {"unknown-csv",
     [](auto& m, int i) { return fmt::format("rack4;slot{};console;", i % 10) + m; }},
    {"priority", [](auto& m, int) { return "<4>" + m; }},
};

// What stands in the place of the kernel's stamp.
const Wrapper kInstead[] = {
    {"dmesg-T", [](auto& m, int i) { return "[Fri Mar  1 " + clock(i) + " 2024] " + m; }},
    {"dmesg-T-german", [](auto& m, int i) { return "[Fr Mär  1 " + clock(i) + " 2024] " + m; }},
    {"dmesg-e",
     [](auto& m, int i) {
       return (i % 9 == 0 ? "[Mar 1 12:00] " : fmt::format("[  +0.{:06}] ", i)) + m;
     }},
    {"dmesg-d", [](auto& m, int i) { return fmt::format("[{:5}.000001 <    0.000007>] ", i) + m; }},
    {"dmesg-delta", [](auto& m, int) { return "[<    0.000007>] " + m; }},
    {"dmesg-iso", [](auto& m, int i) { return "2024-03-01T" + clock(i) + ",000100+00:00 " + m; }},
    {"dmesg-x", [](auto& m, int) { return "kern  :warn  : " + m; }},
    {"dmesg-xT",
     [](auto& m, int i) { return "kern  :warn  : [Fri Mar  1 " + clock(i) + " 2024] " + m; }},
    {"dmesg-r", [](auto& m, int i) { return fmt::format("<4>[{:5}.000001] ", i) + m; }},
    {"kmsg", [](auto& m, int i) { return fmt::format("4,{},{},-;", 1200 + i, 41000100 + i) + m; }},
    {"netconsole",
     [](auto& m, int i) {
       return fmt::format("6.6.30,4,{},{},-,caller=T311;", 1200 + i, 41000100 + i) + m;
     }},
    {"ms", [](auto& m, int i) { return fmt::format("[{:5}.{:03}] ", i, i % 1000) + m; }},
    {"vendor-comm",
     [](auto& m, int i) { return fmt::format("[{:5}.000100] [2:    demo-worker:  311] ", i) + m; }},
    {"vendor-mtk",
     [](auto& m, int i) { return fmt::format("[{:5}.000100] (2)[311:demo-worker]", i) + m; }},
    {"vendor-huawei",
     [](auto& m, int i) {
       return fmt::format("<4>[{:5}.000100s][pid:311,cpu2,demo-worker]", i) + m;
     }},
    {"vendor-lge",
     [](auto& m, int i) { return fmt::format("<4>[{:5}.000100 / 01-28 07:22:33.304] ", i) + m; }},
    {"vendor-amlogic", [](auto& m, int i) { return fmt::format("[{:5}.000100@2] ", i) + m; }},
    {"stamp-kernel", [](auto& m, int i) { return fmt::format("[{:5}.000100] kernel: ", i) + m; }},
    {"stamp-host",
     [](auto& m, int i) { return fmt::format("[{:5}.000100] host1 kernel: ", i) + m; }},
    {"android-time",
     [](auto& m, int i) {
       return fmt::format(" {}.705430:   <1> (01-28 07:22:33.304698634) ", i) + m;
     }},
    {"logcat",
     [](auto& m, int i) { return "03-01 " + clock(i) + ".123     0     0 W kernel  : " + m; }},
    {"cat", [](auto& m, int) { return m; }},
    {"json",
     [](auto& m, int i) {
       return fmt::format(
           R"({{"__REALTIME_TIMESTAMP":"{}","_TRANSPORT":"kernel","MESSAGE":"{}","PRIORITY":"4"}})",
           i, json_escaped(m));
     }},
    {"markdown-list", [](auto& m, int) { return "* " + m; }},
};

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<Finding> findings_in(const std::string& text) {
  Analyzer analyzer;
  analyzer.feed(text);
  analyzer.finish();
  return analyzer.findings();
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (const auto line = take_line(text)) out.emplace_back(*line);
  return out;
}

// The messages of a console, each on a line of its own, without stamps and callers.
std::vector<std::string> messages_of(const std::string& text) {
  std::vector<std::string> out;
  std::string clean;
  std::vector<Line> segments;
  for (const std::string& line : lines_of(text)) {
    clean_line(line, clean);
    parse_line(clean, 1, segments);
    for (const Line& segment : segments)
      if (segment.kernel) out.emplace_back(segment.body);
  }
  return out;
}

std::string wrapped(const std::vector<std::string>& lines, const Wrapper& wrapper) {
  std::string out;
  for (int i = 0; const std::string& line : lines) out += wrapper.wrap(line, i++) + "\n";
  return out;
}

// A daemon knows which lines are the kernel's.
Wrapper knowing(const Wrapper& wrapper) {
  return {wrapper.name, [&wrapper](const std::string& line, int i) {
            const bool kernel = messages_of(line).size() > 0;
            return kernel ? wrapper.wrap(line, i)
                          : replaced(wrapper.wrap(line, i), "kernel", "getty");
          }};
}

std::string told(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings)
    out += fmt::format("{} | {} | {} | {}-{}\n", name(finding.kind), finding.title, finding.culprit,
                       finding.first_line, finding.last_line);
  return out;
}

constexpr const char* kReports = R"([    4.000001] ------------[ cut here ]------------
[    4.000002] WARNING: CPU: 2 PID: 311 at drivers/demo/demo_core.c:120 demo_flush_queue+0x4c/0x90
[    4.000003] Modules linked in: demo(O) ext4
[    4.000004] CPU: 2 PID: 311 Comm: demo-worker Not tainted 6.6.30-demo #1
[    4.000005] RIP: 0010:demo_flush_queue+0x4c/0x90
[    4.000006] Call Trace:
[    4.000007]  <TASK>
[    4.000008]  demo_release+0x2a/0x50
[    4.000009]  </TASK>
[    4.000010] ---[ end trace 0000000000000000 ]---
[    9.000001] BUG: KASAN: slab-use-after-free in demo_peek+0x1f/0x60
[    9.000002] Read of size 8 at addr ffff888004a3c010 by task demo-a/402
[    9.000003] CPU: 1 PID: 402 Comm: demo-a Not tainted 6.6.30-demo #1
[    9.000004] Call Trace:
[    9.000005]  <TASK>
[    9.000006]  dump_stack_lvl+0x34/0x48
[    9.000007]  kasan_report+0xb9/0xf0
[    9.000008]  demo_peek+0x1f/0x60
[    9.000009]  demo_read+0x3b/0x70
[    9.000010]  </TASK>
[   19.000001] general protection fault, probably for non-canonical address 0xdead4ead00000008: 0000 [#1] PREEMPT SMP
[   19.000002] CPU: 1 PID: 402 Comm: demo-reader Not tainted 6.6.30-demo #1
[   19.000003] RIP: 0010:demo_read_ring+0x1f/0x60
[   19.000004] Call Trace:
[   19.000005]  <TASK>
[   19.000006]  demo_read+0x3b/0x70
[   19.000007]  ksys_read+0x6f/0xf0
[   19.000008]  </TASK>
[   19.000009] ---[ end trace 0000000000000000 ]---
)";

std::vector<std::string> consoles() {
  std::vector<std::string> all = {kReports};
  const std::filesystem::path folder = KTRIAL_SOURCE_DIR "/harness/console/testdata";
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".log") all.push_back(bytes_of(entry.path()));
  return all;
}

class Around : public testing::TestWithParam<Wrapper> {};

TEST_P(Around, AConsoleTellsTheSame) {
  for (const std::string& console : consoles())
    EXPECT_EQ(told(findings_in(wrapped(lines_of(console), knowing(GetParam())))),
              told(findings_in(console)));
}

TEST_P(Around, AReportWithoutStampsTellsTheSame) {
  const std::vector<std::string> messages = messages_of(kReports);
  EXPECT_EQ(told(findings_in(wrapped(messages, GetParam()))), told(findings_in(kReports)));
}

INSTANTIATE_TEST_SUITE_P(Envelope, Around, testing::ValuesIn(kAround),
                         [](const auto& each) { return replaced(each.param.name, "-", "_"); });

class Instead : public testing::TestWithParam<Wrapper> {};

TEST_P(Instead, AReportTellsTheSame) {
  for (const std::string& console : consoles()) {
    const std::vector<std::string> messages = messages_of(console);
    const Wrapper stamps = {"",
                            [](auto& m, int i) { return fmt::format("[{:5}.000001] ", i) + m; }};
    const std::vector<Finding> expected = findings_in(wrapped(messages, stamps));
    EXPECT_EQ(told(findings_in(wrapped(messages, GetParam()))), told(expected));
  }
}

INSTANTIATE_TEST_SUITE_P(Envelope, Instead, testing::ValuesIn(kInstead),
                         [](const auto& each) { return replaced(each.param.name, "-", "_"); });

// Whole mails, pages and records: one report each, at these lines.
TEST(WrappedTest, FilesTellOneReport) {
  const std::map<std::string, std::string> expected = {
      {"dmesg-json.txt", "warning | WARNING in demo_flush_queue | demo_flush_queue | 6-18\n"},
      {"forum-html.txt",
       "oops | BUG: unable to handle kernel paging request in demo_read_ring | demo_read_ring | "
       "2-6\n"},
      {"github-issue.txt",
       "kasan | KASAN: slab-use-after-free Read in demo_peek | demo_peek | 8-13\n"},
      {"journal-export.txt", "warning | WARNING in demo_flush_queue | demo_flush_queue | 5-18\n"},
      {"journal-json-pretty.txt",
       "warning | WARNING in demo_flush_queue | demo_flush_queue | 4-18\n"},
      {"journal-verbose.txt", "warning | WARNING in demo_flush_queue | demo_flush_queue | 8-21\n"},
      {"kmsg-escaped.txt", "warning | WARNING in demo_flush_queue | demo_flush_queue | 1-5\n"},
      {"mail-nested-quotes.txt",
       "null_dereference | BUG: unable to handle kernel NULL pointer dereference in demo_read_ring "
       "| "
       "demo_read_ring | 12-24\n"},
      {"mail-quoted-printable.txt",
       "gpf | general protection fault in demo_read_ring | demo_read_ring | 7-14\n"},
      {"mail-wrapped.txt", "warning | WARNING in demo_flush_queue | demo_flush_queue | 7-18\n"},
      {"rsyslog-octal.txt",
       "lockdep | possible deadlock in demo_take_lock | demo_take_lock | 1-5\n"},
      {"two-consoles.txt", "warning | WARNING in demo_flush_queue | demo_flush_queue | 1-7\n"}};
  std::map<std::string, std::string> got;
  const std::filesystem::path folder = KTRIAL_SOURCE_DIR "/harness/console/testdata/wrapped";
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    got[entry.path().filename().string()] = told(findings_in(bytes_of(entry.path())));
  EXPECT_EQ(got, expected);
}

TEST(WrappedTest, Utf16IsReadInBothOrders) {
  for (const bool big : {false, true}) {
    std::string wide = big ? "\xfe\xff" : "\xff\xfe";
    for (const char* c = kReports; *c != '\0'; ++c) {
      const std::string half(1, '\0');
      wide += big ? half + *c : *c + half;
    }
    EXPECT_EQ(told(findings_in(wide)), told(findings_in(kReports)));
  }
}

TEST(WrappedTest, ProseIsNoReport) {
  for (const char* text :
       {"Changes:\n\n  * BUG: the manual was wrong\n  * WARNING: CPU: 1 PID: 2 at a.c:1 f+0x1/0x2\n"
        "    was printed too often\n  * Oops: a typo\n",
        "> BUG: unable to handle kernel NULL pointer dereference\n> this is what I saw.\n\nMe "
        "too.\n",
        "Kernel panic - not syncing: is what it says then.\n\nNext chapter.\n\nAnother "
        "one.\n\nEnd.\n",
        "2024-03-01 12:00:00 INFO: task demo:402 blocked for more than 120 seconds.\nx\ny\nz\n"})
    EXPECT_THAT(findings_in(text), IsEmpty()) << text;
}

TEST(WrappedTest, AnUnknownWrappingIsSaid) {
  Analyzer analyzer;
  analyzer.feed(
      "C.a.l.l T.r.a.c.e\nx(Modules linked in: demo)x\nyy Call Trace: yy\nz RIP: 0010:f z\n");
  analyzer.finish();
  EXPECT_TRUE(analyzer.unknown_wrapping());
  Analyzer prose;
  prose.feed("The Call Trace: says where.\n");
  prose.finish();
  EXPECT_FALSE(prose.unknown_wrapping());
}

}  // namespace
}  // namespace ktrial::console
