// A disk that can be full.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "harness/base/file.h"

namespace ktrial::e2e {

class SmallDisk {
 public:
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  // False: that needs root.
  bool mount(const std::filesystem::path& folder, const char* options) {
    folder_ = folder;
    std::filesystem::create_directories(folder_);
    mounted_ = ::geteuid() == 0 && ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, options) == 0;
    return mounted_;
  }
  void fill() {
    const auto fd = open_file(folder_ / "filler", O_WRONLY | O_CREAT);
    ASSERT_TRUE(fd);
    while (write_all(fd->get(), std::string(4096, 'x'))) {
    }
  }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  bool mounted_ = false;
};

}  // namespace ktrial::e2e
