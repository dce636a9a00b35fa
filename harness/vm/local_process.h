// The QEMU process behind a domain, if it runs on this host.
//
// libvirt names no process. QEMU's monitor names its vCPU threads; a thread of that number
// counts as ours only if its process was given the domain's UUID on its command line, so
// that a connection to another host can never be mistaken for a local one.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::vm {

class LocalProcess {
 public:
  static std::optional<LocalProcess> find(pid_t thread, const std::string& uuid,
                                          const std::filesystem::path& proc = "/proc");
  pid_t pid() const { return pid_; }
  void kill() const;  // SIGKILL; through a pidfd, so never another process
  // The memfd of `bytes` that it holds as guest RAM.
  Result<Fd> ram(std::uint64_t bytes) const;

 private:
  LocalProcess(pid_t pid, Fd handle, std::filesystem::path folder)
      : pid_(pid), handle_(std::move(handle)), folder_(std::move(folder)) {}
  pid_t pid_;
  Fd handle_;
  std::filesystem::path folder_;  // /proc/PID
};

}  // namespace ktrial::vm
