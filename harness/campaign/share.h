// Campaigns that run beside each other on this host, each with its part of it.
#pragma once

#include <filesystem>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::campaign {

class HostShare {
 public:
  // Below $XDG_RUNTIME_DIR, or /tmp: of this user, on this host.
  static std::filesystem::path default_dir();
  // One more, until this object or its process is gone.
  static Result<HostShare> join(const std::filesystem::path& dir = default_dir());
  HostShare(HostShare&&) = default;
  HostShare& operator=(HostShare&&) = delete;
  ~HostShare();
  // With this one; those of dead processes are removed.
  int campaigns() const;

 private:
  HostShare(std::filesystem::path file, Fd lock) : file_(std::move(file)), lock_(std::move(lock)) {}
  std::filesystem::path file_;
  Fd lock_;
};

}  // namespace ktrial::campaign
