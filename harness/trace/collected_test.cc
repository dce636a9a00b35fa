#include "harness/trace/collected.h"

#include <gmock/gmock.h>

#include "harness/trace/fake_trace.h"
#include "harness/trace/printer.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {
namespace {
using testing::HasSubstr;

// What the guest of fake_trace.h would send: the same events, by tracefs.
class CollectedTest : public testing::Test {
 protected:
  CollectedTest() {
    PageBuilder first(1000), second(1500);
    first.data(0, FakeTrace::fork_event(1, 2)).data(100, FakeTrace::switch_event(1, 'D', 0));
    second.data(0, FakeTrace::switch_event(0, 'R', 3));
    pages("per_cpu/cpu0/trace_pipe_raw", {first, second});
    pages("per_cpu/cpu1/trace_pipe_raw", {});
    files["per_cpu/cpu0/stats"] = stats(3, 40, 2);
    files["per_cpu/cpu1/stats"] = stats(0, 0, 0);
    files["trace_clock"] = "local [mono] boot\n";
    files["saved_cmdlines"] = "7 a name of blanks\nnonsense\n";
    FakeTrace fake;
    fake.add_ring({.cpu = 0, .pages = {first, second}, .tail = 1, .entries = 3});
    const auto trace = read_trace(fake.view());
    for (const auto& [id, format] : trace->formats.by_id)
      files["events/" + format.system + "/" + format.name + "/format"] = format.text();
  }
  void pages(const std::string& name, const std::vector<PageBuilder>& list) {
    for (const PageBuilder& page : list) {
      const auto bytes = page.bytes();
      files[name].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
  }
  static std::string stats(int entries, int overrun, int dropped) {
    return "entries: " + std::to_string(entries) + "\noverrun: " + std::to_string(overrun) +
           "\ncommit overrun: 0\nbytes: 999\noldest event ts:     1.000000\n"
           "now ts:     2.000000\ndropped events: " +
           std::to_string(dropped) + "\nread events: 5\n";
  }
  Collected collected() {
    auto out = from_tracefs(files);
    EXPECT_TRUE(out) << out.error().message;
    return out ? std::move(*out) : Collected{};
  }
  TraceFiles files;
};

TEST_F(CollectedTest, AsManyEventsAsTheGuestCountedAndItsLosses) {
  const Collected out = collected();
  ASSERT_EQ(out.trace.rings.cpus.size(), 2u);
  EXPECT_EQ(out.trace.count(), 3u);
  EXPECT_FALSE(out.trace.rings.partial());
  EXPECT_EQ(out.trace.rings.cpus[0].expected(), 3u);
  EXPECT_EQ(out.overwritten, 40u);
  EXPECT_EQ(out.dropped, 2u);
  EXPECT_EQ(out.clock, "mono");
  EXPECT_EQ(out.bytes, 8192u);
  EXPECT_EQ(out.trace.names.at(7), "a name of blanks");
  EXPECT_EQ(out.trace.task(2), "task2/2");
}

TEST_F(CollectedTest, TheWritersTakeIt) {
  Collected out = collected();
  print_events(out.trace);
  const std::string text = to_text(out.trace);
  EXPECT_THAT(text, HasSubstr("# complete: as many as the kernel counted"));
  EXPECT_THAT(text, HasSubstr("sched_switch: task1:1 D ==> swapper:0"));
  EXPECT_THAT(to_trace_dat(out.trace), HasSubstr("name: sched_process_fork"));
}

TEST_F(CollectedTest, AMissingPageIsPartial) {
  files["per_cpu/cpu0/trace_pipe_raw"].resize(4096);
  EXPECT_TRUE(collected().trace.rings.partial());
  files["per_cpu/cpu0/trace_pipe_raw"].resize(4000);
  EXPECT_THAT(collected().trace.rings.cpus[0].trouble, HasSubstr("cut"));
  files["per_cpu/cpu0/trace_pipe_raw"].clear();
  files["per_cpu/cpu0/stats"] = "entries: many\n";
  EXPECT_THAT(collected().trace.rings.cpus[0].trouble, HasSubstr("statistics"));
  files.clear();
  EXPECT_FALSE(from_tracefs(files));
}

TEST_F(CollectedTest, SymbolsOfModulesToo) {
  files["kallsyms"] =
      "ffffffff81000000 T _stext\nnonsense\n\n0000000000000000 A zero\n"
      "ffffffffc0000000 t do_it\t[ext4]\n";
  const Collected out = collected();
  ASSERT_NE(out.trace.symbols, nullptr);
  EXPECT_EQ(out.trace.symbols->address("_stext"), 0xffffffff81000000);
  EXPECT_THAT(out.trace.symbols->describe(0xffffffffc0000000), HasSubstr("[ext4]"));
}

TEST(ParseFormatTest, ReadsWhatFormatTextWrites) {
  const std::string text =
      "name: sys_x\nID: 300\nformat:\n"
      "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
      "\tfield:__data_loc char[] name;\toffset:8;\tsize:4;\tsigned:1;\n"
      "\tfield:const char * const path;\toffset:16;\tsize:8;\tsigned:0;\n"
      "\tfield:u8 hash[6];\toffset:24;\tsize:6;\tsigned:0;\n\n"
      "print fmt: \"%s\", __get_str(name)\n";
  const auto format = parse_format(text, "syscalls");
  ASSERT_TRUE(format) << format.error().message;
  EXPECT_EQ(format->text(), text);
  EXPECT_EQ(format->system, "syscalls");
  EXPECT_EQ(format->common.size(), 1u);
  EXPECT_FALSE(parse_format("name: x\n", "s"));
  EXPECT_FALSE(parse_format("name: x\nID: 99999999\n", "s"));
  EXPECT_FALSE(parse_format(
      "name: x\nID: 1\nformat:\n\tfield:int a;\toffset:-1;\tsize:4;\tsigned:0;\n", "s"));
}

}  // namespace
}  // namespace ktrial::trace
