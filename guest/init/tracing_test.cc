// The agent's half of tracing, against a folder that looks like tracefs.
#include "guest/init/tracing.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "guest/init/agent.h"

namespace ktrial::init {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class TracingTest : public testing::Test {
 protected:
  TracingTest() {
    std::string path = testing::TempDir() + "tracefs-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    root_ = path;
    put("tracing_on", "1");
    put("current_tracer", "nop\n");
    put("trace_clock", "[local] global mono\n");
    put("set_ftrace_filter", "#### all functions enabled ####\n");
    put("set_event", "sched:sched_switch\nirq:irq_handler_entry\n");
    put("events/sched/enable", "X\n");
    put("events/sched/sched_switch/enable", "1\n");
    put("events/sched/sched_switch/filter", "none\n");
    put("events/sched/sched_switch/format", "name: sched_switch\nID: 1\n");
    put("events/irq/irq_handler_entry/enable", "0\n");
    put("events/irq/irq_handler_entry/format", "name: irq_handler_entry\nID: 2\n");
    put("events/ftrace/function/format", "name: function\nID: 3\n");
    put("per_cpu/cpu0/stats", "entries: 1\n");
    put("per_cpu/cpu0/trace_pipe_raw", std::string(3 * 4096, 'a'));
    put("per_cpu/cpu1/stats", "entries: 2\n");
    put("per_cpu/cpu1/trace_pipe_raw", std::string(20 * 4096, 'b'));
    put("kallsyms", "ffffffff81000000 T _stext\n");
  }
  ~TracingTest() override {
    std::error_code error;
    fs::remove_all(root_, error);
  }
  void put(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  std::string get(const std::string& name) {
    std::ifstream in(root_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  auto set_up(const wire::TraceSetup& setup) { return set_up_tracing(setup, root_).refused; }
  // All files that the reader sends, and its last word.
  std::map<std::string, std::string> read_all(std::string& problem) {
    TraceReader reader(root_, root_ / "kallsyms");
    std::map<std::string, std::string> out;
    while (auto message = reader.next()) {
      if (auto* end = std::get_if<wire::TraceEnd>(&*message)) {
        problem = end->problem;
        EXPECT_FALSE(reader.next());
        break;
      }
      auto& file = std::get<wire::TraceFile>(*message);
      EXPECT_LE(file.bytes.size(), wire::kMaxPayload / 2);
      out[file.name] += file.bytes;
    }
    return out;
  }
  fs::path root_;
};

TEST_F(TracingTest, WhatTheCommandLineDidIsLeftAlone) {
  put("current_tracer", "function\n");
  put("set_ftrace_filter", "vfs_read\nvfs_write [ext4]\nschedule:traceoff:unlimited\n");
  EXPECT_TRUE(set_up({.clock = "local",
                      .events = {{"sched:sched_switch", ""}},
                      .functions = {"vfs_*", "schedule"}})
                  .empty());
  EXPECT_EQ(get("events/sched/sched_switch/enable"), "1\n");
  EXPECT_EQ(get("current_tracer"), "function\n");
}

TEST_F(TracingTest, TheRestIsSet) {
  EXPECT_TRUE(set_up({.events = {{"sched:sched_switch", "prev_pid == 7"},
                                 {"irq:irq_handler_entry", ""},
                                 {"sched:*", ""}}})
                  .empty());
  EXPECT_EQ(get("events/sched/sched_switch/filter").substr(0, 13), "prev_pid == 7");
  EXPECT_EQ(get("events/irq/irq_handler_entry/enable")[0], '1');
  EXPECT_EQ(get("events/sched/enable")[0], '1');
  set_up({.stop = "schedule"});
  EXPECT_EQ(get("set_ftrace_filter").substr(0, 17), "schedule:traceoff");
}

TEST_F(TracingTest, WhatTheKernelLacksIsNamed) {
  EXPECT_THAT(set_up({.events = {{"mmcid:*", ""}, {"sched:sched_swich", "a==1"}}}),
              ElementsAre(Pair("mmcid:*", "there is no such event"),
                          Pair("sched:sched_swich", "there is no such event")));
  put("current_tracer", "function\n");
  put("set_ftrace_filter", "vfs_read\n");
  EXPECT_THAT(set_up({.functions = {"vfs_*", "nosuch*"}}),
              ElementsAre(Pair("function:nosuch*", HasSubstr("no function"))));
  fs::remove(root_ / "set_ftrace_filter");
  EXPECT_THAT(set_up({.functions = {"vfs_*"}}),
              ElementsAre(Pair("function:vfs_*", HasSubstr("no function tracer"))));
  EXPECT_THAT(set_up_tracing({.events = {{"sched:*", ""}}}, "/nonexistent").refused,
              ElementsAre(Pair("trace", HasSubstr("CONFIG_TRACING"))));
}

TEST_F(TracingTest, EverythingIsReadInPiecesAndTracingIsOff) {
  std::string problem = "none came";
  const auto files = read_all(problem);
  EXPECT_EQ(problem, "");
  EXPECT_EQ(get("tracing_on")[0], '0');
  EXPECT_EQ(files.at("per_cpu/cpu0/trace_pipe_raw"), std::string(3 * 4096, 'a'));
  EXPECT_EQ(files.at("per_cpu/cpu1/trace_pipe_raw"), std::string(20 * 4096, 'b'));
  EXPECT_EQ(files.at("per_cpu/cpu1/stats"), "entries: 2\n");
  EXPECT_EQ(files.at("after/per_cpu/cpu1/stats"), "entries: 2\n");
  EXPECT_TRUE(files.contains("events/sched/sched_switch/format"));
  EXPECT_TRUE(files.contains("events/irq/irq_handler_entry/format"));
  EXPECT_TRUE(files.contains("events/ftrace/function/format"));
  EXPECT_FALSE(files.contains("kallsyms")) << "no event holds an address";
}

TEST_F(TracingTest, SymbolsComeWhereEventsHoldAddresses) {
  std::string problem;
  put("events/irq/irq_handler_entry/format", "print fmt: \"%pS\", REC->ip\n");
  EXPECT_TRUE(read_all(problem).contains("kallsyms"));
  put("events/irq/irq_handler_entry/format", "");
  put("current_tracer", "function\n");
  EXPECT_TRUE(read_all(problem).contains("kallsyms"));
}

// The queue for the host holds much less.
TEST_F(TracingTest, AHostThatReadsLateGetsEverything) {
  std::string pages(1000 * 4096, '\0');
  for (std::size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<char>(i * 31 >> 4);
  put("per_cpu/cpu0/trace_pipe_raw", pages);
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  std::thread agent([&] { Agent(ends[1], {.tracefs = root_}).run(); });
  const std::string request = wire::encode(wire::ReadTrace{}) + wire::encode(wire::Ping{7});
  EXPECT_EQ(write(ends[0], request.data(), request.size()), static_cast<ssize_t>(request.size()));
  wire::Decoder decoder;
  std::string got;
  bool ponged = false, ended = false;
  char chunk[1000];  // smaller than any piece
  for (ssize_t size = 0; !(ended && ponged) && (size = read(ends[0], chunk, sizeof chunk)) > 0;) {
    decoder.feed({chunk, static_cast<std::size_t>(size)});
    while (const auto message = decoder.next()) {
      ponged |= std::holds_alternative<wire::Pong>(*message);
      ended |= std::holds_alternative<wire::TraceEnd>(*message);
      const auto* file = std::get_if<wire::TraceFile>(&*message);
      if (file != nullptr && file->name == "per_cpu/cpu0/trace_pipe_raw") got += file->bytes;
    }
  }
  EXPECT_TRUE(ponged && ended) << decoder.error();
  EXPECT_TRUE(got == pages);
  close(ends[0]);
  agent.join();
  close(ends[1]);
}

TEST_F(TracingTest, WithoutTracefsTheEndSaysWhy) {
  TraceReader reader("/nonexistent");
  auto message = reader.next();
  ASSERT_TRUE(message);
  EXPECT_THAT(std::get<wire::TraceEnd>(*message).problem, HasSubstr("cannot stop tracing"));
  EXPECT_FALSE(reader.next());
}

}  // namespace
}  // namespace ktrial::init
