// `ktrial shell` on a terminal.
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/e2e/e2e.h"
#include "harness/e2e/served.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class ShellTest : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    if (on_libvirt()) GTEST_SKIP() << "not on libvirt: its machines are not given a root";
    if (const auto can = can_serve(program_); !can) GTEST_SKIP() << can.error().message;
  }
};

// `ktrial` on a terminal of the test's.
class OnATerminal {
 public:
  OnATerminal(const fs::path& program, std::vector<std::string> arguments, winsize size) {
    arguments.insert(arguments.begin(), "ktrial");
    std::vector<char*> words;
    for (std::string& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    child_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (child_ != 0) return;
    ::execv(program.c_str(), words.data());
    ::_exit(99);
  }
  ~OnATerminal() {
    if (child_ > 0) ::kill(child_, SIGKILL);
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
    ::close(terminal_);
  }
  OnATerminal(const OnATerminal&) = delete;
  OnATerminal& operator=(const OnATerminal&) = delete;
  void type(const std::string& text) {
    EXPECT_EQ(::write(terminal_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void resize(winsize size) { ::ioctl(terminal_, TIOCSWINSZ, &size); }
  // Reads for a moment; false at the end of the terminal.
  bool hear() {
    char buffer[4096];
    pollfd one{terminal_, POLLIN, 0};
    if (::poll(&one, 1, 10) <= 0) return true;
    const ssize_t got = ::read(terminal_, buffer, sizeof buffer);
    if (got <= 0) return false;
    shown.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  bool shows(const std::string& text) {
    hear();
    return shown.find(text) != std::string::npos;
  }
  int status() {
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string shown;

 private:
  int terminal_ = -1;
  pid_t child_ = -1;
};

// What is typed arrives, the size follows, the status comes back; and another terminal into the
// same guest, whose shell is left, found again after its user was killed, and ended, also while
// nobody looks.
TEST_F(ShellTest, HasATerminalAndMoreOfThem) {
  REQUIRE_KERNEL(kKernel);
  const std::string results = (root() / "shell-results").string();
  OnATerminal first(program_,
                    {"shell", "--kernel", kKernel, "--cpus", "2", "--start", "cold", "--results",
                     results, "--", "sh", "-i"},
                    {33, 101, 0, 0});
  const auto sees = [&](OnATerminal& terminal, const std::string& text) {
    return eventually([&] { return terminal.shows(text); }, std::chrono::seconds(120));
  };
  EXPECT_TRUE(sees(first, "# ")) << first.shown;
  first.type("tty; stty size\r");
  EXPECT_TRUE(sees(first, "/dev/pts/") && sees(first, "33 101")) << first.shown;
  first.resize({20, 64, 0, 0});
  first.type("stty size; stty size; stty size\r");
  EXPECT_TRUE(sees(first, "20 64")) << first.shown;
  // A shell's child ignores the keys' signals until it is what was typed.
  const std::string job = "sh -c 'echo up$((1+1)); exec sleep 1000'\r";
  first.type(job);
  EXPECT_TRUE(sees(first, "up2")) << first.shown;
  first.type("\x03");  // Ctrl-C
  first.type("echo in$((40+2))terrupted\r");
  EXPECT_TRUE(sees(first, "in42terrupted")) << first.shown;

  const std::vector<std::string> join = {"shell", "--run", "last", "--results", results};
  {
    OnATerminal second(program_, join, {24, 80, 0, 0});
    second.type("kept=$((6*7)); echo is=$kept\r");
    EXPECT_TRUE(sees(second, "is=42")) << second.shown;
    second.type(job);
    EXPECT_TRUE(sees(second, "up2")) << second.shown;
    second.type("\x1a");  // Ctrl-Z
    second.type("jobs | grep -c -i stopped; echo jobs$((1+1))\r");
    EXPECT_TRUE(sees(second, "jobs2")) << second.shown;
    second.type("\x1d");  // Ctrl-]
    EXPECT_TRUE(eventually([&] { return !second.hear(); }));
    EXPECT_EQ(second.status(), 0) << second.shown;
  }
  {
    OnATerminal again(program_, join, {24, 80, 0, 0});
    EXPECT_TRUE(sees(again, "as it was left")) << again.shown;
    again.type("trap \"echo draw again\" WINCH; echo still=$kept\r");
    EXPECT_TRUE(sees(again, "still=42")) << again.shown;
  }  // kill -9
  {
    OnATerminal again(program_, join, {24, 80, 0, 0});
    EXPECT_TRUE(sees(again, "as it was left")) << again.shown;
    again.type(
        "echo yet=$kept; mkfifo /tmp/pipe; sleep 1000 & exec sh -c 'read word < /tmp/pipe; exit "
        "5'\r");
    EXPECT_TRUE(sees(again, "draw again") && sees(again, "yet=42")) << again.shown;
  }
  first.type("echo go > /tmp/pipe\r");
  OnATerminal last(program_, join, {24, 80, 0, 0});
  EXPECT_TRUE(eventually([&] { return !last.hear(); }));
  EXPECT_EQ(last.status(), 5) << last.shown;

  first.type("exit 7\r");
  EXPECT_TRUE(eventually([&] { return !first.hear(); })) << first.shown;
  EXPECT_EQ(first.status(), 7) << first.shown;
  EXPECT_EQ(run({"shell", "--run", "last", "--results", results}).exit, 129) << "it is over";
}

// The first one leaves a template, of which the second is a copy.
TEST_F(ShellTest, StartsWarm) {
  REQUIRE_KERNEL(kKernel);
  const std::string results = (root() / "warm-results").string();
  for (int i = 0; i < 2; ++i) {
    OnATerminal shell(program_,
                      {"shell", "--kernel", kKernel, "--cpus", "2", "--start", "warm", "--results",
                       results, "--", "sh", "-c", "test -t 0 && exit 7"},
                      {24, 80, 0, 0});
    EXPECT_TRUE(eventually([&] { return !shell.hear(); }, std::chrono::seconds(240)))
        << shell.shown;
    EXPECT_EQ(shell.status(), 7) << shell.shown;
  }
  const auto record = run({"report", "last", "--format", "json", "--results", results}).json();
  EXPECT_EQ(record["trials"][0]["start"], "warm") << record;
}

}  // namespace
}  // namespace ktrial::e2e
