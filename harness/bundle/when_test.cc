#include "harness/bundle/when.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::bundle {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Term = vm::Exact::Term;

const Map& when_map() {
  static const Map kMap{
      .symbols = introspect::SymbolTable({{0xffffffff81000000, 'T', "_text", ""},
                                          {0xffffffff81001000, 'T', "mm_get_cid", ""},
                                          {0xffffffff810010c0, 'T', "schedule", ""},
                                          {0xffffffff82000000, 'D', "jiffies", ""},
                                          {0xffffffff82000100, 'D', "runqueues", ""}}),
      .tasks = {.current = {}, .image = 0xffffffff81000000},
      .per_cpu = {0x1000, 0x2000},
      .types = {},
      .task_structs = {{153, 0xffff888000153000}}};
  return kMap;
}

std::vector<Term> terms(const char* text) {
  const auto when = parse_when(text);
  EXPECT_TRUE(when) << when.error().message;
  const auto out = resolve(*when, when_map(), 2);
  EXPECT_TRUE(out) << out.error().message;
  return out ? *out : std::vector<Term>(1);
}

std::string refusal_of(const std::string& text) {
  const auto when = parse_when(text);
  if (!when) {
    EXPECT_EQ(when.error().kind, ErrorKind::usage);
    return when.error().message;
  }
  const auto out = resolve(*when, when_map(), 2);
  if (out) return "";
  EXPECT_EQ(out.error().kind, ErrorKind::usage);
  return out.error().message;
}

TEST(WhenTest, AVcpuIsInAFunctionOrInAHalf) {
  const auto in = terms("vcpu 1 in mm_get_cid");
  ASSERT_EQ(in.size(), 1u);
  EXPECT_FALSE(in[0].memory || in[0].negated);
  EXPECT_EQ(in[0].cpu, 1u);
  EXPECT_EQ(in[0].from, 0xffffffff81001000);
  EXPECT_EQ(in[0].to, 0xffffffff810010c0);
  const auto out = terms("vcpu 0 not in user");
  EXPECT_TRUE(out[0].negated);
  EXPECT_EQ(out[0].to, 1ull << 63);
  EXPECT_EQ(terms("vcpu 0 in kernel")[0].from, 1ull << 63);
}

TEST(WhenTest, MemoryIsAWordThatIsCompared) {
  const auto one = terms("first u32 [ jiffies + 0x10 ] >= 12");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_TRUE(one[0].memory);
  EXPECT_EQ(one[0].bytes, 4u);
  EXPECT_EQ(one[0].at, 0xffffffff82000010);
  EXPECT_EQ(one[0].is, Term::Is::at_least);
  EXPECT_EQ(one[0].value, 12u);
  EXPECT_THAT(one[0].offsets, IsEmpty());
  EXPECT_EQ(terms("u16[jiffies]==-1")[0].value, 0xffffu);
  EXPECT_EQ(terms("u8[0x1234]&4")[0].is, Term::Is::has_bits);
}

TEST(WhenTest, PointersAndPerCpuVariablesAreFollowed) {
  const auto one = terms("u64[[[runqueues@1+8]+16]+24+1] != 0");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].at, 0xffffffff82000100 + 0x2000 + 8);
  EXPECT_THAT(one[0].offsets, ElementsAre(16, 25));
}

// Where a sleeping task's members are; and a CPU's copy of what a pointer leads to.
TEST(WhenTest, ATaskIsNamedByItsPid) {
  const auto one = terms("u32[task@153+0x10] == 3");
  EXPECT_EQ(one[0].at, 0xffff888000153010);
  EXPECT_THAT(one[0].offsets, IsEmpty());
  const auto through = terms("u32[[task@153+8]@1+4] == 3");
  EXPECT_EQ(through[0].at, 0xffff888000153008);
  EXPECT_THAT(through[0].offsets, ElementsAre(0x2000 + 4));
  EXPECT_THAT(refusal_of("u32[task@7] == 3"),
              StartsWith("--when: column 10: at its end the run has no task 7"));
  EXPECT_THAT(refusal_of("u32[task] == 3"), HasSubstr("no symbol 'task'"));
}

TEST(WhenTest, APlaceAloneIsWatched) {
  EXPECT_EQ(resolve_place("runqueues@1+8", when_map(), 2).value_or(0),
            0xffffffff82000100 + 0x2000 + 8);
  EXPECT_EQ(resolve_place("task@153+0x10", when_map(), 2).value_or(0), 0xffff888000153010);
  const auto wrong = [](const char* text) {
    return resolve_place(text, when_map(), 2).error().message;
  };
  EXPECT_THAT(wrong("[jiffies]"), HasSubstr("a pointer leads there"));
  EXPECT_THAT(wrong("jiffies 8"), StartsWith("--watch: column 9: '8', where the end"));
  EXPECT_THAT(wrong("no_such"), StartsWith("--watch: column 1: the kernel of this run"));
}

TEST(WhenTest, PartsAreTakenTogether) {
  const auto when = parse_when("last vcpu 0 in schedule and u64[jiffies] < 5 and vcpu 1 in user");
  ASSERT_TRUE(when);
  EXPECT_TRUE(when->last);
  EXPECT_EQ(when->terms.size(), 3u);
  EXPECT_FALSE(parse_when("vcpu 0 in user")->last);
}

// The column is where a person has to look.
TEST(WhenTest, ErrorsNameTheColumn) {
  EXPECT_THAT(refusal_of(""), StartsWith("--when: column 1: a condition begins with"));
  EXPECT_THAT(refusal_of("vcpu x in user"),
              StartsWith("--when: column 6: a vCPU has to be a number"));
  EXPECT_THAT(refusal_of("vcpu 1 at schedule"), StartsWith("--when: column 8: 'in' or 'runs'"));
  EXPECT_THAT(refusal_of("vcpu 1 in"), StartsWith("--when: column 10: a function"));
  EXPECT_THAT(refusal_of("vcpu 1 in nothing"),
              StartsWith("--when: column 11: the kernel of this run"));
  EXPECT_THAT(refusal_of("vcpu 2 in schedule"), HasSubstr("the machine has no vCPU 2, only 2"));
  EXPECT_THAT(refusal_of("u32[jiffies] = 3"), StartsWith("--when: column 14: a comparison"));
  EXPECT_THAT(refusal_of("u32[jiffies == 3"), StartsWith("--when: column 13: ']' is missing"));
  EXPECT_THAT(refusal_of("u32[jiffies] == x"),
              StartsWith("--when: column 17: what it is compared"));
  EXPECT_THAT(refusal_of("u32[jiffies] == 3 or"),
              StartsWith("--when: column 19: 'or', where 'and'"));
  EXPECT_THAT(refusal_of("u32[jiffies+x] == 3"),
              StartsWith("--when: column 13: a number or STRUCT"));
  EXPECT_THAT(refusal_of("u32[jiffies+rq.lock] == 3"),
              StartsWith("--when: column 13: this kernel tells"));
  EXPECT_THAT(refusal_of("u32[runqueues@7] == 3"),
              StartsWith("--when: column 15: the machine has no"));
  EXPECT_THAT(refusal_of("u24[jiffies] == 3"), StartsWith("--when: column 1: a condition begins"));
  EXPECT_THAT(refusal_of("u64[[[[[[jiffies]]]]]] == 3"), HasSubstr("more than 4 pointers"));
  EXPECT_THAT(refusal_of("u64" + std::string(20, '[')), HasSubstr("too many brackets"));
  std::string long_one = "vcpu 0 in user";
  for (int i = 0; i < 8; ++i) long_one += " and vcpu 0 in user";
  EXPECT_THAT(refusal_of(long_one), HasSubstr("more than 8 parts"));
}

vm::Changes some_changes() {
  const vm::Change a{100, 0xffffffff81001004, 1, true, 7, "one"},
      b{200, 0xffffffff810010c4, 1, false, 7, "one"}, c{300, 0xffffffff81001004, 1, true, 8, "two"};
  return {.count = 3, .first = a, .last = {a, b, c}};
}

TEST(WhenTest, TheFirstOrTheLastInstantIsTold) {
  const When first{}, last{.last = true, .terms = {}};
  EXPECT_EQ(instant_of(first, some_changes())->instructions, 100u);
  EXPECT_EQ(instant_of(last, some_changes())->instructions, 300u);
  EXPECT_FALSE(instant_of(last, {}).has_value());
  EXPECT_FALSE(instant_of(first, {}).has_value());
  const std::string text = text_of_changes(last, some_changes(), 1000, when_map().symbols);
  EXPECT_THAT(text, StartsWith("It begins to hold 2 times; the last time after 300 instructions, "
                               "700 before the end:\n"));
  EXPECT_THAT(text, HasSubstr("two/8"));
  EXPECT_THAT(text, HasSubstr("mm_get_cid+0x4"));
  EXPECT_THAT(text, HasSubstr("At the end it holds."));
  auto ended = some_changes();
  ended.last.pop_back();
  ended.count = 2;
  EXPECT_THAT(text_of_changes(last, ended, 1000, when_map().symbols),
              HasSubstr("At the end it does not hold."));
  EXPECT_EQ(text_of_changes(first, {}, 1000, when_map().symbols), "It never holds.\n");
}

}  // namespace
}  // namespace ktrial::bundle
