// The agent driven as the host drives it, over a socket pair, on this machine.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "guest/init/agent.h"
#include "guest/init/beats.h"
#include "guest/init/channel.h"
#include "guest/init/counters.h"
#include "guest/init/spawn.h"
#include "guest/init/system.h"

namespace ktrial::init {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kMillisecond = 1'000'000;

// An agent in a thread, and the host's end of its control stream.
class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    // Before the thread, which inherits it: the agent takes SIGCHLD from a signalfd.
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &children, nullptr);
    signal(SIGPIPE, SIG_IGN);
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // what whoever runs the tests left open
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_), 0);
    fcntl(ends_[1], F_SETFL, O_NONBLOCK);
    thread_ = std::thread(
        [this, control = ends_[1]] { ended_ = Agent(control, {.tracefs = "/nonexistent"}).run(); });
  }
  ~AgentTest() override {
    finish();
    close(ends_[1]);
  }
  // Why the agent ended.
  std::string finish() {
    hang_up();
    if (thread_.joinable()) thread_.join();
    return ended_;
  }
  void hang_up() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  void send_bytes(std::string_view bytes) {
    ASSERT_EQ(write(ends_[0], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void send(const wire::Message& message) { send_bytes(wire::encode(message)); }
  // The next message; waits for it. Nothing at the end of the stream.
  std::optional<wire::Message> receive() {
    for (;;) {
      if (auto message = decoder_.next()) return message;
      EXPECT_EQ(decoder_.error(), "");
      char chunk[4096];
      const ssize_t got = read(ends_[0], chunk, sizeof(chunk));
      if (got <= 0) return std::nullopt;
      decoder_.feed({chunk, static_cast<std::size_t>(got)});
    }
  }
  template <typename M>
  M expect() {
    auto message = receive();
    if (message && std::holds_alternative<M>(*message)) return std::get<M>(*message);
    ADD_FAILURE() << "another message: " << (message ? static_cast<int>(message->index()) + 1 : 0);
    return {};
  }
  struct Story {
    std::string out, err;
    std::vector<wire::Progress> progress;
    std::vector<std::string> logs;
    wire::Exit exit;
  };
  // All until Exit.
  Story hear() {
    Story story;
    while (auto message = receive()) {
      if (auto* output = std::get_if<wire::Output>(&*message)) {
        EXPECT_LE(output->bytes.size(), 4096u);
        (output->stream == wire::Stream::out ? story.out : story.err) += output->bytes;
      } else if (auto* progress = std::get_if<wire::Progress>(&*message)) {
        story.progress.push_back(*progress);
      } else if (auto* log = std::get_if<wire::Log>(&*message)) {
        story.logs.push_back(log->text);
      } else if (auto* exit = std::get_if<wire::Exit>(&*message)) {
        story.exit = *exit;
        return story;
      }
    }
    ADD_FAILURE() << "the stream ended before Exit";
    return story;
  }
  static wire::Run shell(const std::string& script) { return {{"/bin/sh", "-c", script}, {}}; }
  Story run(const wire::Run& workload) {
    send(workload);
    return hear();
  }

  int ends_[2] = {-1, -1};
  std::thread thread_;
  std::string ended_;
  wire::Decoder decoder_;
};

TEST_F(AgentTest, ReportsOutputAndExitStatus) {
  const Story story = run(shell("echo out; echo err >&2; exit 7"));
  EXPECT_EQ(story.out, "out\n");
  EXPECT_EQ(story.err, "err\n");
  EXPECT_EQ(story.exit.kind, wire::ExitKind::exited);
  EXPECT_EQ(story.exit.value, 7);
  EXPECT_GT(story.exit.wall_ns, 0u);
  EXPECT_THAT(story.logs, IsEmpty());
}

TEST_F(AgentTest, SendsAllOutputBeforeExit) {
  const Story story = run(shell("head -c 300000 /dev/zero"));
  EXPECT_EQ(story.out.size(), 300000u);
}

TEST_F(AgentTest, ReportsTheSignal) {
  const Story story = run(shell("kill -SEGV $$"));
  EXPECT_EQ(story.exit.kind, wire::ExitKind::signaled);
  EXPECT_EQ(story.exit.value, SIGSEGV);
  EXPECT_THAT(story.exit.detail, HasSubstr("Segmentation fault"));
}

TEST_F(AgentTest, KillsTheGroupAtTheDeadline) {
  wire::Run workload = shell("sleep 1000 & echo begun; sleep 1000");
  workload.deadline_ns = 300 * kMillisecond;
  const Story story =
      run(workload);  // returns only when the background sleep is gone too: it holds stdout
  EXPECT_EQ(story.exit.kind, wire::ExitKind::deadline);
  EXPECT_GE(story.exit.wall_ns, workload.deadline_ns);
}

TEST_F(AgentTest, KillsLeftoversOfTheGroup) {
  const Story story = run(shell("sleep 1000 & echo $!; exit 0"));
  EXPECT_EQ(story.exit.kind, wire::ExitKind::exited);
  EXPECT_EQ(story.exit.detail, "exit status 0");  // and not: pipes still held open
}

TEST_F(AgentTest, RunsInItsOwnSessionWithCleanSignals) {
  // exec: while the shell waits for a child it blocks signals of its own accord.
  const Story story =
      run(shell("cut -d' ' -f1,5,6 /proc/$$/stat; "
                "exec grep -E 'Sig(Blk|Ign)' /proc/self/status"));
  const std::string pid = story.out.substr(0, story.out.find(' '));
  EXPECT_THAT(story.out, HasSubstr(pid + " " + pid + " " + pid + "\n"));
  EXPECT_THAT(story.out, HasSubstr("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
}

TEST_F(AgentTest, InheritsNoDescriptorButItsOwn) {
  const Story story = run({{"/bin/ls", "/proc/self/fd"}, {}});
  EXPECT_EQ(story.out, "0\n1\n2\n3\n4\n");  // 4: ls reads the folder
}

TEST_F(AgentTest, GivesAnEnvironmentThatTheHostMayOverride) {
  wire::Run workload{{"env"}, {"A=b", "HOME=/tmp"}};  // found in PATH
  const Story story = run(workload);
  EXPECT_THAT(story.out, HasSubstr("PATH="));
  EXPECT_THAT(story.out, HasSubstr("KTRIAL_PROGRESS_FD=3\n"));
  EXPECT_THAT(story.out, HasSubstr("A=b\n"));
  EXPECT_THAT(story.out, HasSubstr("HOME=/tmp\n"));
  EXPECT_THAT(story.out, Not(HasSubstr("HOME=/\n")));
}

TEST_F(AgentTest, SetsTheLimits) {
  wire::Run workload = shell("ulimit -n; ulimit -v; ulimit -c");
  workload.max_files = 32;
  workload.max_memory = 1 << 30;
  EXPECT_EQ(run(workload).out, "32\n1048576\n0\n");
}

TEST_F(AgentTest, TurnsProgressLinesIntoMessages) {
  const Story story =
      run(shell("echo '1 10 first round' >&3; echo oops >&3; echo '2 10' >&$KTRIAL_PROGRESS_FD"));
  EXPECT_THAT(story.progress,
              ElementsAre(wire::Progress{1, 10, "first round"}, wire::Progress{2, 10, ""}));
  EXPECT_THAT(story.logs, ElementsAre(HasSubstr("DONE TOTAL text")));
}

TEST_F(AgentTest, ReportsWhatCannotBeStarted) {
  Story story = run({{"/no/such/program"}, {}});
  EXPECT_EQ(story.exit.kind, wire::ExitKind::not_started);
  EXPECT_EQ(story.exit.value, ENOENT);
  EXPECT_THAT(story.exit.detail, HasSubstr("/no/such/program"));
  EXPECT_EQ(run({{"no-such-program-anywhere"}, {}}).exit.value, ENOENT);
  EXPECT_EQ(run({{"/etc/passwd"}, {}}).exit.value, EACCES);
  EXPECT_EQ(run({{}, {}}).exit.kind, wire::ExitKind::not_started);
  EXPECT_EQ(run(shell("exit 0")).exit.kind, wire::ExitKind::exited);  // and goes on
}

TEST_F(AgentTest, SecondRunWhileOneRunsIsALog) {
  send({shell("read line; true")});  // stdin is empty: ends at once
  hear();
  wire::Run first = shell("echo begun; sleep 1000");
  first.deadline_ns = 300 * kMillisecond;
  send(first);
  EXPECT_EQ(expect<wire::Output>().bytes, "begun\n");
  send(shell("echo never"));
  EXPECT_THAT(expect<wire::Log>().text, HasSubstr("already"));
  EXPECT_EQ(hear().exit.kind, wire::ExitKind::deadline);
}

TEST_F(AgentTest, AnswersPingAndReadCountersWhileAWorkloadRuns) {
  send(shell("sleep 1000"));
  send(wire::Ping{42});
  EXPECT_EQ(expect<wire::Pong>().token, 42u);
  send(wire::ReadCounters{});
  const auto counters = expect<wire::Counters>();
  ASSERT_FALSE(counters.values.empty());
  EXPECT_EQ(counters.values[0].first, "tainted");
}

TEST_F(AgentTest, PowerOffEndsItWithoutAComplaint) {
  send(wire::PowerOff{});
  thread_.join();  // while the stream is still open
  EXPECT_EQ(ended_, "");
}

TEST_F(AgentTest, LostStreamEndsIt) {
  EXPECT_THAT(finish(), HasSubstr("closed the control stream"));
}

TEST_F(AgentTest, GarbageEndsItWithAWord) {
  send_bytes("rubbish");
  EXPECT_THAT(expect<wire::Log>().text, HasSubstr("does not begin as a frame"));
  EXPECT_THAT(finish(), HasSubstr("does not begin as a frame"));
}

TEST_F(AgentTest, MessagesOfTheWrongSideEndIt) {
  send(wire::Pong{1});
  EXPECT_THAT(expect<wire::Log>().text, HasSubstr("only guests send"));
}

// A host that does not read stops the output, not the deadline.
TEST_F(AgentTest, DeafHostDoesNotStopTheDeadline) {
  wire::Run workload = shell("echo $$; exec cat /dev/zero");
  workload.deadline_ns = 300 * kMillisecond;
  send(workload);
  const pid_t pid = std::atoi(expect<wire::Output>().bytes.c_str());
  ASSERT_GT(pid, 1);
  while (kill(pid, 0) == 0) std::this_thread::yield();  // nothing is read until it is reaped
  EXPECT_EQ(hear().exit.kind, wire::ExitKind::deadline);
}

TEST(BeatsTest, EveryOnlineCpuBeatsAtOnceAndCounts) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  std::set<std::uint32_t> expected;
  for (std::uint32_t cpu : online_cpus()) {
    if (CPU_ISSET(cpu, &allowed)) expected.insert(cpu);
  }
  std::map<std::uint32_t, std::uint64_t> next;
  std::set<std::uint32_t> done;
  Beats beats(10 * kMillisecond);
  beats.begin(ends[1]);
  beats.cover_online_cpus();
  beats.cover_online_cpus();  // starts no second thread
  wire::Decoder decoder;
  char chunk[wire::kBeatFrame];
  while (done != expected && read(ends[0], chunk, sizeof(chunk)) > 0) {
    decoder.feed({chunk, sizeof(chunk)});
    const auto message = decoder.next();
    ASSERT_TRUE(message) << decoder.error();
    const auto& beat = std::get<wire::Beat>(*message);
    if (next.contains(beat.cpu)) {
      EXPECT_EQ(beat.sequence, next[beat.cpu]);
    }
    next[beat.cpu] = beat.sequence + 1;
    if (beat.sequence == 3) done.insert(beat.cpu);
  }
  EXPECT_EQ(done, expected);
  close(ends[0]);
  close(ends[1]);
}

TEST(BeatsTest, DeafHostCostsBeatsNotThreads) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  while (write(ends[1], "x", 1) == 1) {
  }
  {
    Beats beats(kMillisecond);
    beats.cover_online_cpus();
    beats.begin(ends[1]);
  }  // joins: no thread is stuck
  close(ends[0]);
  close(ends[1]);
}

TEST(BeatsTest, ThreadsThatWaitForTheirStreamEnd) { Beats(kMillisecond).cover_online_cpus(); }

TEST(ProgressTest, ParsesLines) {
  EXPECT_EQ(parse_progress("3 0 a b"), (wire::Progress{3, 0, "a b"}));
  EXPECT_EQ(parse_progress("3 4"), (wire::Progress{3, 4, ""}));
  for (const char* bad :
       {"", " ", "3", "3 ", "a 4", "3 b", "-3 4", "3  4", "99999999999999999999 1"}) {
    EXPECT_FALSE(parse_progress(bad)) << bad;
  }
}

TEST(ProgressTest, LinesMayComeInPiecesAndMayBeTooLong) {
  ProgressLines lines;
  EXPECT_THAT(lines.feed("1 2 he"), IsEmpty());
  EXPECT_THAT(lines.feed("llo\n2 2\n3"),
              ElementsAre(wire::Progress{1, 2, "hello"}, wire::Progress{2, 2, ""}));
  EXPECT_THAT(lines.feed(std::string(1 << 20, 'x')), IsEmpty());
  EXPECT_THAT(lines.feed("\n4 5\n"), ElementsAre(wire::Progress{4, 5, ""}));
  EXPECT_EQ(lines.malformed(), 1u);
}

TEST(SystemTest, ParsesCpuLists) {
  EXPECT_THAT(parse_cpu_list("0-2,5\n"), ElementsAre(0, 1, 2, 5));
  EXPECT_THAT(parse_cpu_list(""), IsEmpty());
  EXPECT_THAT(parse_cpu_list("1,x"), ElementsAre(1));
  EXPECT_EQ(parse_cpu_list("0-4294967295").size(), 8192u);
}

TEST(SystemTest, ReadsTheCommandLine) {
  const std::string line = "console=ttyS0 ktrial.channel=vsock ktrial.control_port=9 x\n";
  const ChannelOptions options = channel_options(line);
  EXPECT_TRUE(options.vsock);
  EXPECT_EQ(options.control_port, 9u);
  EXPECT_EQ(options.beat_port, wire::kBeatPort);
  EXPECT_FALSE(channel_options("ktrial.channel=virtio-serial").vsock);
  EXPECT_EQ(channel_options("ktrial.beat_port=-1").beat_port, wire::kBeatPort);
  EXPECT_FALSE(command_line_value(line, "ktrial"));
}

TEST(CountersTest, ReadsThoseThatExist) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(testing::TempDir()) / ("counters-" + std::to_string(getpid()));
  fs::create_directories(root / "proc/sys/kernel");
  fs::create_directories(root / "sys/kernel");
  std::ofstream(root / "proc/sys/kernel/tainted") << "512\n";
  std::ofstream(root / "sys/kernel/warn_count") << "1\n";
  std::ofstream(root / "sys/kernel/oops_count") << "rubbish\n";
  EXPECT_THAT(read_counters(root.string()).values,
              ElementsAre(std::pair<std::string, std::uint64_t>{"tainted", 512},
                          std::pair<std::string, std::uint64_t>{"warn_count", 1}));
  fs::remove_all(root);
}

}  // namespace
}  // namespace ktrial::init
