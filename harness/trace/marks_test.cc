#include "harness/trace/marks.h"

#include <gtest/gtest.h>

namespace ktrial::trace {
namespace {

TEST(MarksTest, WhatIsWrittenIsRead) {
  const std::vector<Mark> marks = {{1, "a \"b\"\n"},
                                   {~0ull, "beat", 3, Track::beats},
                                   {5, "boot", -1, Track::phases, 9},
                                   {6, "waited", 0, Track::host, 7},
                                   {7, "1 of 2", -1, Track::progress}};
  const auto read = marks_from_json(marks_to_json(marks));
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), marks.size());
  for (std::size_t i = 0; i < marks.size(); ++i) {
    EXPECT_EQ((*read)[i].ns, marks[i].ns);
    EXPECT_EQ((*read)[i].text, marks[i].text);
    EXPECT_EQ((*read)[i].cpu, marks[i].cpu);
    EXPECT_EQ((*read)[i].track, marks[i].track);
    EXPECT_EQ((*read)[i].until_ns, marks[i].until_ns);
  }
}

TEST(MarksTest, WhatIsNoListOfMarksIsAnError) {
  for (const char* text :
       {"", "{}", "[1]", "[{}]", "[{\"ns\":1}]", "[{\"ns\":-1,\"text\":\"a\",\"track\":\"host\"}]",
        "[{\"ns\":1,\"text\":7,\"track\":\"host\"}]", "[{\"ns\":1,\"text\":\"a\",\"track\":\"x\"}]",
        "[{\"ns\":1,\"text\":\"a\",\"track\":\"host\",\"cpu\":99999999}]",
        "[{\"ns\":1,\"text\":\"a\",\"track\":\"host\",\"cpu\":-1}]", "[[[[", "[{\"ns\":1e99}]"})
    EXPECT_FALSE(marks_from_json(text)) << text;
}

}  // namespace
}  // namespace ktrial::trace
