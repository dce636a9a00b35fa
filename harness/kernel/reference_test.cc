#include "harness/kernel/reference.h"

#include <gtest/gtest.h>

#include "harness/kernel/kernel.h"

namespace ktrial::kernel {
namespace {

TEST(ReferenceTest, EachFormRoundTrips) {
  const std::pair<const char*, Reference> cases[] = {
      {"arch/x86/boot/bzImage", ImageReference{"arch/x86/boot/bzImage"}},
      {"./host", ImageReference{"./host"}},
      {"./a:b", ImageReference{"./a:b"}},
      {"host", HostReference{}},
      {"deb:linux-image-cloud-amd64", DebPackageReference{"linux-image-cloud-amd64", ""}},
      {"deb:linux-image-6.12.117+deb12-cloud-amd64=6.12.117-1~deb12u1",
       DebPackageReference{"linux-image-6.12.117+deb12-cloud-amd64", "6.12.117-1~deb12u1"}},
      {"deb:linux.deb", DebFileReference{"linux.deb"}},
      {"deb:/tmp/linux-image", DebFileReference{"/tmp/linux-image"}},
      {"git:v6.12~3", GitReference{"v6.12~3"}},
  };
  for (const auto& [text, expected] : cases) {
    auto parsed = parse_reference(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().message;
    EXPECT_EQ(*parsed, expected) << text;
    EXPECT_EQ(to_string(*parsed), text);
  }
  EXPECT_TRUE(parse_reference(default_reference()));
}

TEST(ReferenceTest, NonsenseIsAUsageErrorThatSaysWhatIsAccepted) {
  using namespace std::string_view_literals;
  for (std::string_view text :
       {""sv, "deb:"sv, "deb:=1"sv, "deb:-o"sv, "deb:a b"sv, "deb:linux="sv, "deb:linux=-x"sv,
        "git:"sv, "git:--upload-pack=x"sv, "rpm:kernel"sv, "a\0b"sv}) {
    auto parsed = parse_reference(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage) << text;
    EXPECT_NE(parsed.error().hint.find("deb:"), std::string::npos) << text;
  }
}

TEST(ReferenceTest, GitNeedsATree) {
  auto kernel = resolve(GitReference{"v6.12"}, {.cache_dir = "unused"});
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().kind, ErrorKind::usage);
  EXPECT_NE(kernel.error().hint.find("--tree"), std::string::npos);
}

}  // namespace
}  // namespace ktrial::kernel
