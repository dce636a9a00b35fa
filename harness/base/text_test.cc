#include "harness/base/text.h"

#include <gmock/gmock.h>

#include <cstdint>

namespace ktrial {
namespace {
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (const auto line = take_line(text)) out.push_back(*line);
  return out;
}

TEST(TextTest, TrimsBothEndsAndNothingElse) {
  EXPECT_EQ(trimmed(" \t a b\r\n"), "a b");
  EXPECT_EQ(trimmed(""), "");
  EXPECT_EQ(trimmed(" \n "), "");
  EXPECT_EQ(trimmed("\t a ", " "), "\t a");
}

TEST(TextTest, TakesLinesWithAndWithoutANewlineAtTheEnd) {
  EXPECT_THAT(lines_of("a\n\nb\n"), ElementsAre("a", "", "b"));
  EXPECT_THAT(lines_of("a\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(lines_of("\n"), ElementsAre(""));
  EXPECT_THAT(lines_of(""), IsEmpty());
}

TEST(TextTest, TheLastLineIsNotBlank) {
  EXPECT_EQ(last_line("a\nb c \n\n"), "b c");
  EXPECT_EQ(last_line("a"), "a");
  EXPECT_EQ(last_line("\n \n"), "");
}

TEST(TextTest, SplitsIntoPartsThatAreNotEmpty) {
  EXPECT_THAT(split(",a,,b", ','), ElementsAre("a", "b"));
  EXPECT_THAT(split("a\n", '\n'), ElementsAre("a"));
  EXPECT_THAT(split("", ','), IsEmpty());
}

TEST(TextTest, FieldsMayBeEmpty) {
  EXPECT_THAT(fields("a::b:", ':'), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(fields("", ':'), ElementsAre(""));
}

TEST(TextTest, ANumberIsAllOfTheText) {
  EXPECT_EQ(to_number<int>("-12"), -12);
  EXPECT_EQ(to_number<std::uint64_t>("ff", 16), 255u);
  EXPECT_EQ(to_number<double>("1.5"), 1.5);
  EXPECT_EQ(to_number<int>("12 "), std::nullopt);
  EXPECT_EQ(to_number<int>(""), std::nullopt);
  EXPECT_EQ(to_number<std::uint8_t>("256"), std::nullopt);
}

TEST(TextTest, EditDistanceCountsInsertedRemovedAndChangedCharacters) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("fork-storm", "fork-strom"), 2u);
  EXPECT_EQ(edit_distance("abc", "bc"), 1u);
}

TEST(TextTest, XmlTextIsEscaped) {
  EXPECT_EQ(xml_escaped("a<b> & \"c\" 'd'\n\te"),
            "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;&#10;&#9;e");
}

}  // namespace
}  // namespace ktrial
