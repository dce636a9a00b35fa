#include "harness/bisect/replay.h"

#include <gtest/gtest.h>

#include <random>

#include "harness/bisect/fake_row.h"

namespace ktrial::bisect {
namespace {

LogHeader header_for(const CommitGraph& graph) {
  LogHeader header{.old_ends = {"old"}, .new_end = graph.id(graph.new_end()), .settings = {}};
  header.settings.rates.without_bug = 0.001;
  header.settings.costs = {.build = 12.7, .run = 1.0 / 3, .parallel = 2};
  header.graph_hash = graph.hash();
  return header;
}

std::string describe(const Step& step) {
  if (const auto* test = std::get_if<TestCommit>(&step))
    return "test " + std::to_string(test->commit) + " x" + std::to_string(test->runs);
  if (const auto* found = std::get_if<Found>(&step))
    return "found " + std::to_string(found->commit);
  return "end " + std::to_string(step.index());
}

// Killed after every event in turn: each time the log alone brings back the next step and every
// bit of the posterior.
TEST(ReplayTest, ALogResumesExactly) {
  const CommitGraph graph = row_of(60);
  const LogHeader header = header_for(graph);
  std::string text = print_header(header);
  Engine engine = *Engine::create(graph, header.settings);
  std::mt19937_64 random(3);
  std::vector<char> built(graph.size());
  Step step = engine.next();
  for (int k = 0; std::holds_alternative<TestCommit>(step); ++k, step = engine.next()) {
    ASSERT_LT(k, 2000);
    const auto commit = std::get<TestCommit>(step).commit;
    Event event;
    if (!built[commit] && commit % 7 == 3)
      event = SkipEvent{graph.id(commit), 0.1 * k, "error:\nno rule"};
    else if (!built[commit])
      event = BuiltEvent{graph.id(commit), 10 + 0.1 * k};
    else if (const auto draw = random() % 10; draw == 0)
      event = RunEvent{graph.id(commit), RunOutcome::other, 0.7, 0.123456};
    else
      event =
          RunEvent{graph.id(commit), commit >= 33 && draw < 6 ? RunOutcome::fail : RunOutcome::pass,
                   1.0 / (k + 1)};
    built[commit] = 1;
    ASSERT_TRUE(tell(engine, event));
    text += print_event(event);
    const auto log = parse_log(text, "f");
    ASSERT_TRUE(log) << log.error().message;
    const auto resumed = replay(graph, *log, {}, "f");
    ASSERT_TRUE(resumed) << resumed.error().message;
    ASSERT_EQ(describe(resumed->next()), describe(engine.next()));
    ASSERT_TRUE(std::ranges::equal(resumed->belief().posterior(), engine.belief().posterior()));
    ASSERT_EQ(resumed->spent().seconds, engine.spent().seconds);
  }
  EXPECT_EQ(describe(step), "found 33");
}

TEST(ReplayTest, ALineCutOffByAKillIsIgnored) {
  const CommitGraph graph = row_of(10);
  const std::string whole = print_header(header_for(graph)) + "built v9 10\nrun v9 fail 1\n";
  const std::string cut = whole + "run v9 pass 12";
  const auto log = parse_log(cut, "f");
  ASSERT_TRUE(log);
  EXPECT_EQ(log->events.size(), 2u);
  EXPECT_EQ(log->valid_bytes, whole.size());
}

TEST(ReplayTest, WhatIsWrittenIsReadBack) {
  const CommitGraph graph = row_of(10);
  LogHeader header = header_for(graph);
  header.settings.direction = Direction::fix;
  header.old_ends = {"old", "older"};
  header.prior_hash = prior_hash(std::vector{0.5, 2.0});
  const std::string text = print_header(header) + "skip v3 4.25 a b  c\nrun v1 other 2 0.5\n";
  const auto log = parse_log(text, "f");
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ(print_header(log->header) + print_event(log->events[0]) + print_event(log->events[1]),
            text);
  EXPECT_EQ(log->header.old_ends, header.old_ends);
  EXPECT_EQ(log->header.settings.rates.with_bug, std::nullopt);
  EXPECT_EQ(std::get<SkipEvent>(log->events[0]).reason, "a b  c");
}

TEST(ReplayTest, ErrorsNameFileLineAndKey) {
  const std::string head = print_header(header_for(row_of(10)));  // ten lines
  const struct {
    std::string text, named;
  } cases[] = {
      {"", "f: no `direction` line"},
      {"direction bug\ngood a\n", "f: no `confidence` line"},
      {"direction left\n", "f:1: direction: neither bug nor fix"},
      {"# c\nconfidence 2\n", "f:2: confidence: 2 is not"},
      {"colour red\n", "f:1: colour: unknown key"},
      {head + "run v1 maybe 1\n", "f:11: run: the outcome"},
      {head + "run v1 pass fast\n", "f:11: run: fast is not a number of seconds"},
      {head + "run v1 pass -1\n", "f:11: run: -1 is not"},
      {head + "run v1 pass nan\n", "f:11: run: nan is not"},
      {head + "run v1 pass 1 1\n", "f:11: run: there is more"},
      {head + "run v1 other 1 1.5\n", "f:11: run: 1.5 is not a share"},
      {head + "built v\t1 1\n", "f:11: built: a control character"},
      {head + "built\n", "f:11: built: a commit is missing"},
      {head + "built v1 1\nconfidence 0.9\n", "f:12: confidence: no event"},
      {head + "graph 12\n", "f:11: graph: given twice"},
      {head + "good v0\nbad v1\n", "f: 2 good and 2 bad ends"},
  };
  for (const auto& c : cases) {
    const auto log = parse_log(c.text, "f");
    ASSERT_FALSE(log) << c.named;
    EXPECT_EQ(log.error().kind, ErrorKind::usage);
    EXPECT_TRUE(log.error().message.starts_with(c.named)) << log.error().message;
    EXPECT_FALSE(log.error().hint.empty());
  }
}

TEST(ReplayTest, RefusesAnotherHistoryPriorOrCommit) {
  const CommitGraph graph = row_of(10);
  const auto log = parse_log(print_header(header_for(graph)) + "built v3 1\nbuilt v77 1\n", "f");
  ASSERT_TRUE(log);
  EXPECT_NE(replay(row_of(11), *log, {}, "f").error().message.find("another history"),
            std::string::npos);
  EXPECT_NE(replay(graph, *log, std::vector(10, 2.0), "f").error().message.find("another prior"),
            std::string::npos);
  EXPECT_TRUE(replay(graph, *log, {}, "f").error().message.starts_with("f:12: commit v77"));
}

}  // namespace
}  // namespace ktrial::bisect
