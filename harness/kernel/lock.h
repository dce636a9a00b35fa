// An advisory lock between processes (flock(2)), released on destruction and
// by the kernel when we die.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::kernel {

class FileLock {
 public:
  // Waits for it; ErrorKind::interrupted on a stop request. The file is made
  // when missing and stays.
  static Result<FileLock> acquire(const std::filesystem::path& path, std::stop_token stop);
  // Without waiting; nothing when another process has it, or it cannot be made.
  static std::optional<FileLock> try_acquire(const std::filesystem::path& path);

  // The lock is held until the last copy of this descriptor is closed: a child
  // that inherits it keeps others out even when we die before it.
  int fd() const { return fd_.get(); }

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace ktrial::kernel
