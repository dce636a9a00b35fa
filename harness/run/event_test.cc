#include "harness/run/event.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "harness/base/fd.h"
#include "harness/run/event_writer.h"

namespace ktrial::run {
namespace {
using ::testing::HasSubstr;

std::string all_bytes() {
  std::string out;
  for (int i = 0; i < 256; ++i) out += static_cast<char>(i);
  return out;
}

std::vector<Event> one_of_each() {
  return {{0.5, std::nullopt, Begun{"20260301-x", "/results/runs/20260301-x"}},
          {1, 3, Step{"booting \"6.1\"\nagain"}},
          {1.25, std::nullopt, Building{"compile", "a.o", 7, 9, std::chrono::seconds(4), {}}},
          {1.5, std::nullopt,
           Building{"compile", "a.o", 7, 9, std::chrono::seconds(4), std::chrono::seconds(2)}},
          {2, 0, Output{wire::Stream::out, all_bytes()}},
          {2, 0, Output{wire::Stream::err, "\xff"}},
          {3, 0, Progress{1, ~0ull, "rounds"}},
          {4, 1, Reported{"WARNING in f"}},
          {5, 1, TrialEnded{results::Outcome::fail, "WARNING in f", "why", 12.5}},
          {5, std::nullopt, Made{"/cache/build/\xff", "", ""}},
          {5, std::nullopt, Made{"", "it does not compile", "/cache/log"}},
          {6, std::nullopt, Ended{0, {}}},
          {6, std::nullopt, Ended{129, Error{ErrorKind::usage, "no kernel", "name one"}}}};
}

std::string text_of(const Event& event) {
  std::string out;
  for (const std::string& line : to_lines(event)) out += line;
  return out;
}

TEST(EventTest, EachComesBackFromItsLine) {
  for (const Event& event : one_of_each()) {
    const auto lines = to_lines(event);
    ASSERT_EQ(lines.size(), 1u);
    ASSERT_TRUE(lines[0].ends_with("\n"));
    EXPECT_EQ(std::ranges::count(lines[0], '\n'), 1);
    const auto back = parse_event(std::string_view(lines[0]).substr(0, lines[0].size() - 1));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(*back == event) << lines[0];
  }
}

// However it is cut on its way.
TEST(EventTest, AStreamOfAnyPiecesGivesTheSameEvents) {
  std::string stream;
  for (const Event& event : one_of_each()) stream += text_of(event);
  for (const std::size_t piece : {1, 2, 7, 100, 100000}) {
    std::vector<Event> heard;
    EventReader reader([&](const Event& event) { heard.push_back(event); });
    for (std::size_t at = 0; at < stream.size(); at += piece)
      ASSERT_TRUE(reader.feed(std::string_view(stream).substr(at, piece)));
    EXPECT_TRUE(heard == one_of_each()) << piece;
  }
}

TEST(EventTest, MuchOutputIsCutIntoLinesThatAReaderTakes) {
  const std::string much(1 << 20, '\xff');
  std::string back;
  EventReader reader([&](const Event& event) { back += std::get<Output>(event.what).bytes; });
  for (const std::string& line : to_lines({1, 0, Output{wire::Stream::out, much}})) {
    EXPECT_LE(line.size(), kMaxLine);
    ASSERT_TRUE(reader.feed(line)) << reader.error()->message;
  }
  EXPECT_EQ(back, much);
}

TEST(EventTest, TextThatIsNoUtf8IsStillALine) {
  const auto lines = to_lines({1, 0, Step{"bad \xff byte"}});
  const auto back = parse_event(std::string_view(lines[0]).substr(0, lines[0].size() - 1));
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<Step>(back->what).text, "bad \xef\xbf\xbd byte");
}

TEST(EventTest, AnythingElseIsRefusedAndQuoted) {
  for (const char* line :
       {"", "hello", "[]", "{}", R"({"t":1})", R"({"t":1,"event":"dance"})",
        R"({"t":"1","event":"step","text":"x"})", R"({"t":1,"event":"step"})",
        R"({"t":1,"event":"step","text":1})", R"({"t":1,"trial":-1,"event":"step","text":"x"})",
        R"({"t":1,"event":"output","stream":"in","latin1":""})",
        "{\"t\":1,\"event\":\"output\",\"stream\":\"out\",\"latin1\":\"\xe2\x82\xac\"}",
        R"({"t":1,"event":"begun","schema":2,"run":"x","directory":"/"})",
        R"({"t":1,"event":"trial","outcome":"good","title":"","reason":"","duration_s":1})",
        R"({"t":1,"event":"ended","exit":"0"})", R"({"t":1,"event":"ended","exit":0,"error":1})",
        R"({"t":1,"event":"ended","exit":0,"error":{"kind":"odd","message":"","hint":""}})"}) {
    const auto event = parse_event(line);
    ASSERT_FALSE(event) << line;
    EXPECT_EQ(event.error().kind, ErrorKind::protocol);
    EXPECT_THAT(event.error().message, HasSubstr(std::string(line).substr(0, 20)));
  }
  // A later ktrial may say more.
  EXPECT_TRUE(parse_event(R"({"t":1,"event":"step","text":"x","mood":"good"})"));
}

TEST(EventTest, AfterNonsenseNothingIsBelieved) {
  int heard = 0;
  EventReader reader([&](const Event&) { ++heard; });
  EXPECT_TRUE(reader.feed(text_of({1, 0, Step{"x"}})));
  EXPECT_FALSE(reader.feed("nonsense\n" + text_of({1, 0, Step{"x"}})));
  EXPECT_FALSE(reader.feed(text_of({1, 0, Step{"x"}})));
  EXPECT_EQ(heard, 1);
  EXPECT_THAT(reader.error()->message, HasSubstr("line 2: "));
}

TEST(EventTest, ALineWithoutEndIsRefusedBeforeItFillsMemory) {
  EventReader reader([](const Event&) {});
  const std::string piece(1 << 16, 'x');
  int fed = 0;
  while (reader.feed(piece) && fed < 100) ++fed;
  EXPECT_LE(fed, 5);
}

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  Fd read_end, write_end;
};

// The trial goes on while nobody reads; what counts is not lost.
TEST(EventWriterTest, ASlowReaderStopsNobodyAndHearsAllThatCounts) {
  Pipe pipe;
  EventWriter writer(pipe.write_end.get());
  constexpr int kSteps = 2000;
  const std::string much(64 << 10, 'x');
  for (int i = 0; i < kSteps; ++i) {
    writer.tell({1, 0, Step{"step " + std::to_string(i)}});
    writer.tell({1, 0, Output{wire::Stream::out, much}});
  }
  writer.tell({2, std::nullopt, Ended{0, {}}});
  int steps = 0;
  bool ended = false;
  std::thread reading([&] {
    EventReader reader([&](const Event& event) {
      const auto* step = std::get_if<Step>(&event.what);
      steps += step != nullptr && step->text.starts_with("step ");
      ended = ended || std::holds_alternative<Ended>(event.what);
    });
    char bytes[4096];
    ssize_t count;
    while ((count = read(pipe.read_end.get(), bytes, sizeof bytes)) > 0)
      reader.feed({bytes, static_cast<std::size_t>(count)});
  });
  EXPECT_TRUE(writer.finish());
  pipe.write_end.reset();
  reading.join();
  EXPECT_EQ(steps, kSteps);
  EXPECT_TRUE(ended);
}

TEST(EventWriterTest, AReaderThatWentAwayIsAnError) {
  signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  EventWriter writer(pipe.write_end.get());
  pipe.read_end.reset();
  writer.tell({1, 0, Step{"x"}});
  const auto finished = writer.finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().errno_value, EPIPE);
}

}  // namespace
}  // namespace ktrial::run
