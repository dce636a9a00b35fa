#include "harness/kernel/nearby.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "harness/base/file.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using testing::write;

class NearbyTest : public ::testing::Test {
 protected:
  void SetUp() override { write(image_, bytes_); }
  // "shared" is another host's.
  std::optional<Nearby> near() {
    return nearby(cache_, image_, {}, [this](const fs::path& path) {
      return path.string().starts_with((dir_.path() / "shared").string());
    });
  }
  const TempDir dir_ = TempDir::create().value();
  const fs::path image_ = dir_.path() / "shared/bzImage";
  fs::path cache_ = dir_.path() / "cache";
  const std::string bytes_ = testing::make_bzimage("6.1.0", 1 << 20);
};

TEST_F(NearbyTest, AnImageIsReadOnceAHost) {
  const auto first = near();
  ASSERT_TRUE(first);
  EXPECT_EQ(read_file(first->copy).value(), bytes_);
  EXPECT_EQ(first->sha256, sha256(bytes_));
  // What reads it again would see this.
  write(first->copy, "the copy");
  const auto second = near();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->copy, first->copy);
  EXPECT_EQ(read_file(second->copy).value(), "the copy");
  EXPECT_EQ(cache_entries(cache_).size(), 1u) << "it counts, and goes, as others do";
}

TEST_F(NearbyTest, OneThatIsBuiltAnewIsAnother) {
  const auto first = near();
  const std::string other = testing::make_bzimage("6.2.0", 1 << 20);
  ASSERT_TRUE(write_file_atomically(image_, other));
  const auto second = near();
  ASSERT_TRUE(first && second);
  EXPECT_NE(second->copy, first->copy);
  EXPECT_EQ(second->sha256, sha256(other));
}

TEST_F(NearbyTest, SeveralAtOnceMakeOneWholeCopy) {
  std::atomic<int> whole = 0;
  std::vector<std::jthread> tasks;
  for (int i = 0; i < 8; ++i)
    tasks.emplace_back([&] {
      const auto one = near();
      whole += one && read_file(one->copy).value_or("") == bytes_ ? 1 : 0;
    });
  tasks.clear();
  EXPECT_EQ(whole, 8);
  EXPECT_EQ(cache_entries(cache_).size(), 1u);
}

TEST_F(NearbyTest, WhereItWinsNothingThereIsNone) {
  EXPECT_FALSE(nearby(cache_, image_, {}, [](const fs::path&) { return false; }))
      << "the image is this host's own";
  EXPECT_FALSE(nearby(cache_, image_, {}, [](const fs::path&) { return true; }))
      << "the cache is on the file server, too";
  cache_ = dir_.path() / "a file, no folder";
  write(cache_, "x");
  EXPECT_FALSE(near());
}

}  // namespace
}  // namespace ktrial::kernel
