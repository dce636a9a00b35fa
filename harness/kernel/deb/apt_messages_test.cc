#include "harness/kernel/deb/apt_messages.h"

#include <gmock/gmock.h>

namespace ktrial::kernel {
namespace {
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// As apt 2.6 and 3.0 write it.
constexpr char kUpdate[] =
    "E: The repository 'http://mirror.example/debian bullseye-backports Release' does not have a "
    "Release file.\n"
    "W: Updating from such a repository can't be done securely, and is therefore disabled by "
    "default.\n"
    "E: Release file for http://mirror.example/debian/dists/sid/InRelease is expired (invalid "
    "since 23d 1h 46min 27s). Updates for this repository will not be applied.\n"
    "W: GPG error: http://mirror.example/debian buster InRelease: NO_PUBKEY 0E98404D386FA1D9\n"
    "E: The repository 'http://mirror.example/debian buster InRelease' is not signed.\n";

TEST(AptMessagesTest, SuitesThatAreGoneOrExpiredAreNamedWithTheReason) {
  EXPECT_THAT(suites_passed_over(kUpdate),
              ElementsAre("bullseye-backports (the mirror does not have it)",
                          "sid (expired 23d 1h 46min 27s ago)",
                          "buster (its signature cannot be checked)"));
  EXPECT_THAT(suites_passed_over("W: Some index files failed to download.\n"), IsEmpty());
}

TEST(AptMessagesTest, WhatCouldNotBeFetchedIsNamedWithTheReason) {
  EXPECT_THAT(suites_passed_over(
                  "E: Failed to fetch file:/r/dists/bullseye/main/binary-amd64/Packages  File not "
                  "found - /r/dists/bullseye/main/binary-amd64/Packages (2: No such file)\n"
                  "W: Failed to fetch http://m/debian/dists/sid/InRelease  Hash Sum mismatch\n"),
              ElementsAre("bullseye (File not found)", "sid (Hash Sum mismatch)"));
}

TEST(AptMessagesTest, ErrorsComeBeforeWarningsBeforeTheLastLine) {
  EXPECT_EQ(apt_errors("W: Failed to fetch x\nE: one\nN: y\nE: two\n"), "one; two");
  EXPECT_EQ(apt_errors("W: Failed to fetch x  404\nW: Failed to fetch y\n"),
            "Failed to fetch x  404");
  EXPECT_EQ(apt_errors("something else\nthe end\n"), "the end");
}

TEST(AptMessagesTest, AMirrorThatCannotBeReachedIsTold) {
  EXPECT_TRUE(mirror_unreachable("W: Failed to fetch x  Could not connect to mirror.example:80"));
  EXPECT_FALSE(mirror_unreachable(kUpdate));
}

}  // namespace
}  // namespace ktrial::kernel
