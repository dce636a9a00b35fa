#include "harness/kernel/build/kconfig_tree.h"

#include <gmock/gmock.h>

#include "harness/base/file.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::write;

const Config kConfig = {
    {"A", "y"}, {"M", "m"}, {"NUM", "42"}, {"HEX", "0x10"}, {"TEXT", "\"x86\""}};

Truth truth(std::string_view text) { return evaluate(text, kConfig); }

TEST(KconfigExpressionTest, HasTheValuesOfTheKernelsLanguage) {
  EXPECT_EQ(truth("A"), Truth::yes);
  EXPECT_EQ(truth("M"), Truth::module);
  EXPECT_EQ(truth("B"), Truth::no);
  EXPECT_EQ(truth("y && m"), Truth::module);
  EXPECT_EQ(truth("!B && (A || B)"), Truth::yes);
  EXPECT_EQ(truth("!M"), Truth::module);
  EXPECT_EQ(truth("A && !A || A"), Truth::yes);
  EXPECT_EQ(truth("NUM > 5 && NUM <= 42 && HEX = 16"), Truth::yes);
  EXPECT_EQ(truth("TEXT = \"x86\" && M = m && B != y"), Truth::yes);
  EXPECT_EQ(truth("B=n"), Truth::yes);
}

TEST(KconfigExpressionTest, WhatItCannotKnowIsUnknownUnlessTheRestDecides) {
  EXPECT_EQ(truth("$(cc-option,-fx(y))"), Truth::unknown);
  EXPECT_EQ(truth("A && $(success,true)"), Truth::unknown);
  EXPECT_EQ(truth("B && $(success,true)"), Truth::no);
  EXPECT_EQ(truth("A || $(success,true)"), Truth::yes);
}

TEST(KconfigExpressionTest, NonsenseEndsAndIsNotTrue) {
  for (const char* text :
       {"", "(", ")", "&&", "A &&", "! !", "\"", "$(", "A B", "=", "A =", "!* &&! &&", "!&& A"})
    EXPECT_NE(truth(text), Truth::yes) << text;
  EXPECT_NE(truth(std::string(100000, '!')), Truth::yes);
  EXPECT_NE(truth(std::string(100000, '(')), Truth::yes);
}

TEST(KconfigExpressionTest, UnmetPartsAreNamedWithTheirValues) {
  EXPECT_THAT(unmet_parts("A && !A && (B || NUM = 3) && y", kConfig),
              ElementsAre("!A (A=y)", "(B || NUM = 3) (B=n, NUM=42)"));
  EXPECT_THAT(unmet_parts("A", kConfig), IsEmpty());
  // What is true as a whole has no unmet part, however badly it is written.
  for (const char* text : {"!(B && (C", "!B && (C && (D || A", "A || '' && (", "A || (B ''"})
    EXPECT_TRUE(truth(text) != Truth::yes || unmet_parts(text, kConfig).empty()) << text;
  EXPECT_THAT(unmet_parts("!B && !(C && (D", kConfig), IsEmpty());
  EXPECT_THAT(unmet_parts("A '' && B", kConfig), ElementsAre("A '' && B (A=y, B=n)"));
  EXPECT_THAT(unmet_parts("B || C && D", kConfig), ElementsAre("B || C && D (B=n, C=n, D=n)"));
}

class KconfigTreeTest : public ::testing::Test {
 protected:
  void file(const std::string& name, const std::string& text) { write(dir_->path() / name, text); }
  std::string why(const std::string& option, const Config& config = {}) {
    const auto wanted = parse_fragment(option, "f").value();
    auto found = find_options(dir_->path(), "x86", {wanted[0].symbol});
    if (!found) return "error: " + found.error().message;
    auto missing = explain(missing_options(config, wanted), config, *found);
    return missing.empty() ? "granted" : missing[0].reason;
  }
  Result<TempDir> dir_ = TempDir::create();
};

TEST_F(KconfigTreeTest, DependenciesOfTheOptionAndOfAllAroundItCount) {
  file("Kconfig",
       "mainmenu \"x\"\nsource \"arch/$(SRCARCH)/Kconfig\"\nsource \"none/Kconfig\"\n"
       "if NET\nmenu \"m\"\n\tdepends on INET && \\\n\t\tPCI\nsource "
       "\"lib/Kconfig\"\nendmenu\nendif\n"
       "config AFTER\n\tbool \"p\"\n");
  file("arch/x86/Kconfig", "config HERE\n\tbool\n");
  file("lib/Kconfig",
       "# comment\nmenuconfig K # more\n\tbool \"K: if you can\"\n\tdepends on !KCSAN\n\thelp\n"
       "\t  config AFTER\n\t    depends on NEVER\n\n\t  end\n\tdepends on MM\n");
  EXPECT_EQ(why("CONFIG_K=y", {{"KCSAN", "y"}, {"PCI", "y"}, {"MM", "y"}}),
            "needs NET (NET=n) and INET (INET=n) and !KCSAN (KCSAN=y) (lib/Kconfig:2)");
  EXPECT_THAT(why("CONFIG_K=y", {{"NET", "y"}, {"INET", "y"}, {"PCI", "y"}}), HasSubstr("MM=n"));
  EXPECT_THAT(why("CONFIG_HERE=y"), HasSubstr("no prompt"));
  // Blocks that are closed hold no longer.
  EXPECT_THAT(why("CONFIG_AFTER=y"), HasSubstr("(Kconfig:11)"));
  EXPECT_THAT(why("CONFIG_AFTER=y"), ::testing::Not(HasSubstr("needs")));
}

TEST_F(KconfigTreeTest, TellsOtherReasonsApart) {
  file("Kconfig",
       "config P\n\tbool \"p\" if EXPERT\nchoice\n\tprompt \"c\"\n\tdepends on CH\n"
       "config ONE\n\tbool \"1\"\nconfig TWO\n\tbool \"2\"\nendchoice\n"
       "config TWICE\n\tbool\n\tdepends on X && Y\nconfig TWICE\n\tbool \"t\"\n\tdepends on X\n"
       "menu \"hidden\"\n\tvisible if SHOW\nconfig V\n\tbool \"v\"\nendmenu\n");
  EXPECT_EQ(why("CONFIG_P=y"), "can be chosen only with EXPERT (EXPERT=n) (Kconfig:1)");
  EXPECT_EQ(why("CONFIG_TWO=y"), "needs CH (CH=n) (Kconfig:8)");
  EXPECT_THAT(why("CONFIG_TWO=y", {{"CH", "y"}}), HasSubstr("one of a choice"));
  EXPECT_EQ(why("CONFIG_TWICE=y"), "needs X (X=n) (Kconfig:14)");
  EXPECT_THAT(why("CONFIG_V=y"), HasSubstr("only with SHOW"));
  EXPECT_THAT(why("CONFIG_P=n", {{"P", "y"}}), HasSubstr("selects it"));
  EXPECT_THAT(why("CONFIG_NEW=y"), HasSubstr("no Kconfig file"));
  EXPECT_EQ(why("# ktrial: if known\nCONFIG_NEW=y"), "granted");
  EXPECT_THAT(why("# ktrial: if known\nCONFIG_P=y"), HasSubstr("EXPERT"));
}

TEST_F(KconfigTreeTest, BadTreesAreErrorsNotHangs) {
  EXPECT_THAT(why("CONFIG_A=y"), HasSubstr("error: "));
  file("Kconfig", "source \"Kconfig\"\n");
  EXPECT_THAT(why("CONFIG_A=y"), HasSubstr("without end"));
  file("Kconfig", "endif\nendmenu\nhelp\nconfig\nif\n\tdepends\nconfig A\n\tbool \"");
  EXPECT_THAT(why("CONFIG_A=y"), ::testing::Not(HasSubstr("error: ")));
}

}  // namespace
}  // namespace ktrial::kernel
