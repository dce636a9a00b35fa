#include "harness/kernel/build/kconfig.h"

#include <gmock/gmock.h>
#include <test_paths.h>

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

TEST(KconfigTest, AFragmentIsItsAssignmentsWithTheirLines) {
  const auto wanted = parse_fragment(
      "# why\nCONFIG_A=y\n\n# CONFIG_B is not set\r\nCONFIG_C=\"two words\"\nCONFIG_D=0x10", "f");
  ASSERT_TRUE(wanted) << wanted.error().message;
  EXPECT_THAT(*wanted, ElementsAre(WantedOption{"A", "y", "f:2"}, WantedOption{"B", "n", "f:4"},
                                   WantedOption{"C", "\"two words\"", "f:5"},
                                   WantedOption{"D", "0x10", "f:6"}));
}

TEST(KconfigTest, IfKnownHoldsForTheNextAssignmentAlone) {
  const auto wanted = parse_fragment("# ktrial: if known\n# more\nCONFIG_A=y\nCONFIG_B=y\n", "f");
  ASSERT_TRUE(wanted);
  EXPECT_TRUE(wanted->at(0).if_known);
  EXPECT_FALSE(wanted->at(1).if_known);
}

TEST(KconfigTest, WhatIsNoAssignmentIsNamedWithItsLine) {
  for (const char* text : {"CONFIG_A", "A=y", "CONFIG_=y", "CONFIG_A B=y",
                           "CONFIG_A=", "CONFIG_A=y # why", "CONFIG_A=\"open", "no words"}) {
    const auto wanted = parse_fragment("# first\n" + std::string(text) + "\n", "my.config");
    ASSERT_FALSE(wanted) << text;
    EXPECT_EQ(wanted.error().kind, ErrorKind::usage);
    EXPECT_THAT(wanted.error().message, HasSubstr("my.config:2: "));
    EXPECT_FALSE(wanted.error().hint.empty());
  }
}

TEST(KconfigTest, WhatIsNotSetIsNotInAConfig) {
  const auto config = parse_config("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_A=n\n", "f");
  ASSERT_TRUE(config);
  EXPECT_THAT(*config, IsEmpty());
}

TEST(KconfigTest, MissingIsWhatWasNotGranted) {
  const Config config = {{"Y", "y"}, {"M", "m"}, {"N", "42"}};
  auto missing = [&](const std::string& text) {
    return missing_options(config, parse_fragment(text, "f").value());
  };
  EXPECT_THAT(missing("CONFIG_Y=y\nCONFIG_Y=m\nCONFIG_M=m\nCONFIG_N=42\nCONFIG_Z=n"), IsEmpty());
  EXPECT_THAT(missing("CONFIG_M=y"), SizeIs(1));
  EXPECT_THAT(missing("CONFIG_N=41"), SizeIs(1));
  EXPECT_THAT(missing("# CONFIG_Y is not set"), SizeIs(1));
  // The later fragment has the last word.
  EXPECT_THAT(missing("CONFIG_Z=y\nCONFIG_Z=n"), IsEmpty());
  ASSERT_THAT(missing("\nCONFIG_Z=y"), SizeIs(1));
  EXPECT_EQ(describe(missing("\nCONFIG_Z=y")[0]),
            "f:2: CONFIG_Z=y was asked for, but it is not set");
}

TEST(KconfigTest, AWorkloadsListIsCheckedAgainstAFile) {
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  write(dir->path() / "config", "CONFIG_SMP=y\nCONFIG_VSOCKETS=m\n");
  auto check = [&](const std::vector<std::string>& list) {
    return check_config(dir->path() / "config", list, "workload x");
  };
  EXPECT_THAT(check({"CONFIG_SMP=y", "CONFIG_VSOCKETS=m"}).value(), IsEmpty());
  const auto missing = check({"CONFIG_VSOCKETS=y", "CONFIG_RSEQ=y"}).value();
  ASSERT_THAT(missing, SizeIs(2));
  EXPECT_EQ(missing[0].granted, "m");
  EXPECT_THAT(describe(missing[1]), HasSubstr("workload x: CONFIG_RSEQ=y"));
  EXPECT_EQ(check({"SMP"}).error().kind, ErrorKind::usage);
  EXPECT_EQ(check({""}).error().kind, ErrorKind::usage);
  EXPECT_FALSE(check_config(dir->path() / "none", {}, "x"));
}

TEST(KconfigTest, FragmentsComeInOrderAndOptionalOnesByName) {
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const fs::path root = dir->path();
  for (const char* name : {"20-b.config", "10-a.config", "notes.txt", "optional/60-x.config",
                           "optional/50-y.config", "mine"})
    write(root / name, "");
  EXPECT_THAT(choose_fragments(root, {"x", (root / "mine").string(), "x"}).value(),
              ElementsAre(root / "10-a.config", root / "20-b.config", root / "optional/60-x.config",
                          root / "mine"));
  const auto unknown = choose_fragments(root, {"z"});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::usage);
  EXPECT_THAT(unknown.error().hint, HasSubstr("y, x"));
  EXPECT_EQ(choose_fragments(root, {"./no/file"}).error().kind, ErrorKind::usage);
  EXPECT_EQ(choose_fragments(root / "optional/none", {}).error().kind, ErrorKind::environment);
}

// Those that are shipped: each option has a reason above it, and no two of the
// fragments that are always merged contradict one another.
TEST(KconfigTest, TheShippedFragmentsHaveAReasonForEachOption) {
  const fs::path shipped = fs::path(KTRIAL_SOURCE_DIR) / "kconfigs";
  auto files = choose_fragments(shipped, optional_fragments(shipped));
  ASSERT_TRUE(files) << files.error().message;
  for (const fs::path& file : *files) {
    const auto wanted = read_fragment(file);
    ASSERT_TRUE(wanted) << wanted.error().message;
    EXPECT_FALSE(wanted->empty()) << file;
    EXPECT_THAT(read_file(file).value(), ::testing::StartsWith("# ")) << file;
  }
}

}  // namespace
}  // namespace ktrial::kernel
