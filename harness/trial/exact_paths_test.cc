#include "harness/trial/exact_paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::trial {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(PathsFileTest, ComesBackAsItWas) {
  const vm::Paths paths{
      .blocks = {{0xffffffff81000000, 1, 5}, {0xffffffff81000010, 0x20, 0x123456789}},
      .marks = {{1, 0xffffffffffffffff}, {}, {3}},
      .whole = false};
  const auto back = parse_paths(to_text(paths));
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->blocks.size(), 2u);
  EXPECT_EQ(back->blocks[1].address, 0xffffffff81000010);
  EXPECT_EQ(back->blocks[1].visits, 0x20u);
  EXPECT_EQ(back->blocks[1].instructions, 0x123456789u);
  ASSERT_EQ(back->marks.size(), 3u);
  EXPECT_THAT(back->marks[0], ElementsAre(1, 0xffffffffffffffff));
  EXPECT_THAT(back->marks[1], IsEmpty());
  EXPECT_FALSE(back->whole);
  EXPECT_TRUE(parse_paths(to_text({}))->whole);
}

TEST(PathsFileTest, AWrongLineIsNamed) {
  for (const char* line :
       {"x 1 2", "b 1 2", "b 1 2 3 4", "m 1", "m 1 z", "m 100000000 1", "", "b"}) {
    const auto parsed = parse_paths("# head\n" + std::string(line) + "\nm 0 1\n");
    ASSERT_FALSE(parsed) << line;
    EXPECT_THAT(parsed.error().message, HasSubstr("line 2 ")) << line;
  }
}

}  // namespace
}  // namespace ktrial::trial
