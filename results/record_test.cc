#include "results/record.h"

#include <gtest/gtest.h>

#include <cstring>

namespace ktrial::results {
namespace {

TrialRecord judged(Outcome outcome, std::string signature = {}) {
  TrialRecord t;
  t.verdict.outcome = outcome;
  t.verdict.signature = signature;
  if (!signature.empty()) t.verdict.title = "title of " + signature;
  t.verdict.reason = "because";
  return t;
}

TEST(RecordTest, NamesReadBack) {
  for (Outcome o : {Outcome::pass, Outcome::fail, Outcome::inconclusive})
    EXPECT_EQ(parse_outcome(name(o)), o);
  for (RunState s : {RunState::running, RunState::finished, RunState::interrupted})
    EXPECT_EQ(parse_run_state(name(s)), s);
  EXPECT_FALSE(parse_outcome("PASS"));
  EXPECT_FALSE(parse_outcome(""));
}

TEST(KindTest, NamesReadBackAndUnknownOnesAreKept) {
  for (int i = 0; i < static_cast<int>(Kind::foreign); ++i) {
    const Kind kind = static_cast<Kind>(i);
    EXPECT_EQ(RecordedKind::parse(name(kind)), kind);
    EXPECT_EQ(kind_named(name(kind)), kind);
  }
  EXPECT_EQ(name(Kind::none), "");
  EXPECT_EQ(name(Kind::soft_lockup), "soft_lockup");
  EXPECT_FALSE(kind_named("of tomorrow"));
  const RecordedKind strange = RecordedKind::parse("of tomorrow");
  EXPECT_EQ(strange, Kind::foreign);
  EXPECT_EQ(strange.name(), "of tomorrow");
  EXPECT_NE(strange, RecordedKind::parse("of next week"));
  EXPECT_EQ(RecordedKind::parse("foreign").name(), "foreign");
}

TEST(OverallTest, NeverMixesOutcomesUp) {
  constexpr auto P = Outcome::pass, F = Outcome::fail, I = Outcome::inconclusive;
  const struct {
    std::vector<Outcome> trials;
    int expected;
    Outcome want;
  } kTable[] = {
      {{}, 0, I},        {{}, 1, I},        {{P}, 1, P},       {{P}, 0, P},    {{F}, 1, F},
      {{I}, 1, I},       {{P, P, P}, 3, P}, {{P, P}, 3, I},    {{P, F}, 2, F}, {{F, P}, 2, F},
      {{I, F}, 2, F},    {{F, I}, 5, F},    {{P, I}, 2, I},    {{I, P}, 2, I}, {{I, I}, 2, I},
      {{P, I, F}, 3, F}, {{F, F, F}, 0, F}, {{P, P, I}, 0, I},
  };
  for (const auto& row : kTable) {
    std::vector<TrialRecord> trials;
    for (Outcome o : row.trials) trials.push_back(judged(o, o == F ? "s" : ""));
    Verdict got = overall(trials, row.expected);
    EXPECT_EQ(got.outcome, row.want) << row.trials.size() << " trials of " << row.expected;
    EXPECT_FALSE(got.reason.empty());
    EXPECT_EQ(got.signature.empty(), row.want != F);
  }
}

TEST(OverallTest, MostFrequentSignatureNamesTheRun) {
  Verdict got = overall({judged(Outcome::fail, "a"), judged(Outcome::fail, "b"),
                         judged(Outcome::pass), judged(Outcome::fail, "b")});
  EXPECT_EQ(got.signature, "b");
  EXPECT_EQ(got.title, "title of b");
  EXPECT_EQ(got.reason, "3 of 4 trials failed, 2 of them so: because");
  got = overall({judged(Outcome::fail, "a"), judged(Outcome::fail, "b")});
  EXPECT_EQ(got.signature, "a") << "a tie goes to the first seen";
}

TEST(OverallTest, SaysWhyNotJudged) {
  EXPECT_EQ(overall({judged(Outcome::pass), judged(Outcome::pass)}, 5).reason,
            "only 2 of 5 trials were completed");
  EXPECT_EQ(overall({judged(Outcome::pass), judged(Outcome::inconclusive)}, 2).reason,
            "1 of 2 trials were not judged: because");
}

TEST(SignatureTest, EqualFailuresMeet) {
  const struct {
    const char *kind, *title, *culprit, *want;
  } kTable[] = {
      {"soft_lockup", "BUG: soft lockup in smp_call_function_many_cond", "mm_get_cid",
       "soft_lockup:mm_get_cid"},
      {"soft_lockup", "BUG: soft lockup in foo.isra.0", "", "soft_lockup:foo"},
      {"soft-lockup", "BUG: soft lockup in smp_call_function_many_cond", "mm_get_cid",
       "soft-lockup:mm_get_cid"},
      {"soft-lockup", "BUG: soft lockup in foo.isra.0", "", "soft-lockup:foo"},
      {"soft-lockup", "BUG: soft lockup in foo", "mm_get_cid.constprop.0+0x55/0x90",
       "soft-lockup:mm_get_cid"},
      {"kasan", "KASAN: use-after-free Read in bar.part.3.cold", "", "kasan:bar"},
      {"warning", "WARNING in baz [mymod]", "", "warning:baz"},
      {"oops", "general protection fault in __x64_sys_mount", "", "oops:mount"},
      {"oops", "general protection fault in __do_sys_mount", "", "oops:mount"},
      {"oops", "general protection fault in f", "__se_sys_mount.isra.0", "oops:mount"},
      {"oops", "general protection fault in f", "__ia32_sys_mount+0x1/0x2", "oops:mount"},
      {"oops", "general protection fault in f", "ksys_mount", "oops:mount"},
      {"oops", "general protection fault in f", "sys_mount", "oops:mount"},
      {"silence", "no heartbeat from CPU 3", "", "silence:no-heartbeat-from-CPU-N"},
      {"silence", "no heartbeat from CPU 11", "", "silence:no-heartbeat-from-CPU-N"},
      {"panic", "kernel panic: corrupted stack end at 0xffff8880deadbeef", "",
       "panic:kernel-panic-corrupted-stack-end-at-N"},
      {"kcsan", "KCSAN: data-race in a / b", "", "kcsan:KCSAN-data-race-in-a-b"},
      {"", "kernel BUG at mm/slub.c:4213!", "", "kernel-BUG-at-mm-slub-c-N"},
      {"boot", "", "", "boot"},
      {"", "", "", ""},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(make_signature(row.kind, row.title, row.culprit), row.want) << row.title;
  }
}

TEST(SignatureTest, IsShortAndPlainWhateverComes) {
  std::string nasty;
  for (int i = 0; i < 2000; ++i) nasty += static_cast<char>(i * 7);
  for (const std::string& s : {make_signature("k", nasty), make_signature(nasty, "x"),
                               make_signature("k", "t", std::string(500, 'f'))}) {
    EXPECT_LE(s.size(), 96u);
    for (char c : s)
      EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)) || std::strchr("_.:-", c)) << s;
  }
  EXPECT_NE(make_signature("k", "t", std::string(500, 'f')),
            make_signature("k", "t", std::string(501, 'f')));
}

}  // namespace
}  // namespace ktrial::results
