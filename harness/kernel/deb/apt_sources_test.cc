#include "harness/kernel/deb/apt_sources.h"

#include <gmock/gmock.h>

#include "harness/kernel/deb/apt.h"

namespace ktrial::kernel {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(AptSourcesTest, ReadsOneLineStyle) {
  const auto sources = parse_one_line_sources(
      "# comment\n"
      "deb http://mirror.example/debian bookworm main contrib # tail\n"
      "deb-src http://mirror.example/debian bookworm main\n"
      "deb [ arch=amd64 signed-by=/k.gpg ] http://x.example/d trixie main\n"
      "deb [trusted=yes] file:/repo ./\n"
      "deb [arch=amd64\n"
      "nonsense\n");
  ASSERT_THAT(sources, SizeIs(3));
  EXPECT_EQ(
      sources[0],
      (AptSource{{"http://mirror.example/debian"}, {"bookworm"}, {"main", "contrib"}, "", false}));
  EXPECT_EQ(sources[1].signed_by, "/k.gpg");
  EXPECT_EQ(sources[1].suites, std::vector<std::string>{"trixie"});
  EXPECT_TRUE(sources[2].trusted);
}

TEST(AptSourcesTest, ReadsDeb822StyleWithEmbeddedKeys) {
  const auto sources = parse_deb822_sources(
      "Types: deb deb-src\n# comment\nURIs: http://mirror.example/debian\n"
      "Suites: bookworm bookworm-updates\nComponents: main\n"
      "Signed-By:\n -----BEGIN-----\n .\n abc\n\n"
      "Types: deb\nEnabled: no\nURIs: http://off.example\nSuites: x\n\n"
      "Types: deb-src\nURIs: http://src.example\nSuites: x\n");
  ASSERT_THAT(sources, SizeIs(1));
  EXPECT_THAT(sources[0].suites, ElementsAre("bookworm", "bookworm-updates"));
  EXPECT_EQ(sources[0].signed_by, "\n -----BEGIN-----\n .\n abc");
}

TEST(AptSourcesTest, WidensToOtherSuitesOfTheSameMirrors) {
  const auto wide = widen(
      parse_one_line_sources("deb http://mirror.example/debian bookworm main\n"
                             "deb http://sec.example/debian-security bookworm-security main\n"));
  EXPECT_EQ(wide.own_release, "bookworm");
  EXPECT_THAT(wide.text, HasSubstr("URIs: http://mirror.example/debian\n"));
  EXPECT_THAT(wide.text, HasSubstr(" bullseye "));
  EXPECT_THAT(wide.text, HasSubstr("trixie-backports"));
  EXPECT_THAT(wide.text, HasSubstr(" sid experimental\n"));
  EXPECT_THAT(wide.text, HasSubstr("http://sec.example/debian-security\nSuites: bookworm-security "
                                   "bullseye-security trixie-security"));
  // What we write is what we would read.
  EXPECT_THAT(parse_deb822_sources(wide.text), SizeIs(2));
}

TEST(AptSourcesTest, OtherDistributionsAreNotWidened) {
  const auto wide = widen(parse_one_line_sources("deb http://mirror.example/ubuntu noble main\n"));
  EXPECT_THAT(wide.text, IsEmpty());
  EXPECT_THAT(wide.own_release, IsEmpty());
}

TEST(AptTest, KernelDependenciesAreTheFirstAlternatives) {
  EXPECT_THAT(kernel_dependencies("dracut | linux-image-x, kmod, linux-base-6.19 (= 1), "
                                  "linux-binary-6.19+b (= 1-2~bpo), linux-modules-6.19+b:any"),
              ElementsAre("linux-binary-6.19+b", "linux-modules-6.19+b"));
  EXPECT_THAT(kernel_dependencies(""), IsEmpty());
}

}  // namespace
}  // namespace ktrial::kernel
