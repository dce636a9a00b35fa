#include "harness/trial/last_word.h"

#include <gtest/gtest.h>

namespace ktrial::trial {
namespace {

std::string last_word(std::string_view output) {
  LastWord whole, bytewise;
  whole.feed(output);
  for (const char c : output) bytewise.feed({&c, 1});
  EXPECT_EQ(whole.text(), bytewise.text()) << output;
  return whole.text();
}

TEST(LastWordTest, IsTheLastLineThatIsNotBlank) {
  EXPECT_EQ(last_word(""), "");
  EXPECT_EQ(last_word("\n \n"), "");
  EXPECT_EQ(last_word("one\n two\r\n\n"), "two");
  EXPECT_EQ(last_word("one\ntwo"), "two") << "without an end";
}

TEST(LastWordTest, IsTheFirstComplaintWhateverComesLater) {
  EXPECT_EQ(last_word("a: starts\nb: invariant broken: 1 is 2\na: invariant broken: x\nb: ends\n"),
            "b: invariant broken: 1 is 2");
}

TEST(LastWordTest, IsBounded) {
  EXPECT_EQ(last_word(std::string(100000, 'x')).size(), LastWord::kLongest);
  EXPECT_EQ(last_word(std::string(100000, 'x') + "\nend\n"), "end");
}

}  // namespace
}  // namespace ktrial::trial
