#include "harness/introspect/symbols.h"

#include <gtest/gtest.h>

namespace ktrial::introspect {
namespace {

TEST(SymbolTableTest, FindsBothWays) {
  SymbolTable table({{0x2000, 't', "second", ""},
                     {0x1000, 't', "first", ""},
                     {0x1000, 'T', "alias", ""},
                     {0x3000, 't', "twin", ""},
                     {0x3010, 'T', "twin", "mod"}});
  EXPECT_EQ(table.address("second"), 0x2000u);
  EXPECT_EQ(table.address("twin"), 0x3010u);
  EXPECT_EQ(table.address("none"), std::nullopt);
  EXPECT_EQ(table.function(0x1010), "first");
  EXPECT_EQ(table.describe(0x1010), "first+0x10/0x1000");
  EXPECT_EQ(table.describe(0x3011), "twin+0x1/0x0 [mod]");
  EXPECT_EQ(table.describe(0xfff), "0xfff");
  EXPECT_EQ(table.function(0x3010 + (8u << 20)), "") << "far past the end";
  EXPECT_EQ(SymbolTable().function(1), "");
}

}  // namespace
}  // namespace ktrial::introspect
