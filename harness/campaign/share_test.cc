#include "harness/campaign/share.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "harness/base/file.h"

namespace ktrial::campaign {
namespace {

TEST(HostShareTest, CountsThoseThatLive) {
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const auto shared = dir->path() / "campaigns";
  auto one = HostShare::join(shared);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->campaigns(), 1);
  {
    auto two = HostShare::join(shared);
    ASSERT_TRUE(two);
    EXPECT_EQ(one->campaigns(), 2);
    EXPECT_EQ(two->campaigns(), 2);
  }
  EXPECT_EQ(one->campaigns(), 1);
  // One that was killed leaves its file.
  const pid_t child = ::fork();
  if (child == 0) {
    const auto dies = HostShare::join(shared);
    ::_exit(dies ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(one->campaigns(), 1);
}

}  // namespace
}  // namespace ktrial::campaign
