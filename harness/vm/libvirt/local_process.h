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
  // From here on the memfd of `bytes` that it has as guest RAM is held open: it outlives the
  // process, and is freed with this object and with what ram() gave out.
  void hold_ram(std::uint64_t bytes);
  // Not any more: it is not what it was.
  void let_ram_go(const std::string& why) { ram_ = fail(ErrorKind::environment, why); }
  // It, read-only; or why there is none.
  Result<Fd> ram() const;

 private:
  LocalProcess(pid_t pid, Fd handle, std::filesystem::path folder)
      : pid_(pid), handle_(std::move(handle)), folder_(std::move(folder)) {}
  Result<Fd> open_ram(std::uint64_t bytes) const;

  pid_t pid_;
  Fd handle_;
  std::filesystem::path folder_;  // /proc/PID
  Result<Fd> ram_ = fail(ErrorKind::environment, "QEMU's memory was not opened");
};

}  // namespace ktrial::vm
