#include "harness/vm/libvirt/local_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdlib>

#include "harness/base/file.h"

namespace ktrial::vm {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostOfProc = 1u << 20;  // bytes of a file of /proc

// "Tgid:\t1234" of /proc/TID/status.
pid_t process_of(const fs::path& thread) {
  static constexpr std::string_view kKey = "\nTgid:";
  const std::string status = read_file(thread / "status", kMostOfProc).value_or("");
  const auto at = status.find(kKey);
  return at == std::string::npos
             ? 0
             : static_cast<pid_t>(std::strtol(status.c_str() + at + kKey.size(), nullptr, 10));
}

}  // namespace

std::optional<LocalProcess> LocalProcess::find(pid_t thread, const std::string& uuid,
                                               const fs::path& proc) {
  const pid_t pid = process_of(proc / std::to_string(thread));
  if (pid <= 0) return std::nullopt;
  // The handle first: what is read next is then of the process that it names.
  Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!handle) return std::nullopt;
  const fs::path folder = proc / std::to_string(pid);
  const std::string words = read_file(folder / "cmdline", kMostOfProc).value_or("");
  const std::string wanted = std::string("\0-uuid\0", 7) + uuid + '\0';
  if (words.find(wanted) == std::string::npos) return std::nullopt;
  return LocalProcess(pid, std::move(handle), folder);
}

void LocalProcess::kill() const {
  ::syscall(SYS_pidfd_send_signal, handle_.get(), SIGKILL, nullptr, 0);
}

void LocalProcess::hold_ram(std::uint64_t bytes) { ram_ = open_ram(bytes); }

Result<Fd> LocalProcess::ram() const {
  if (!ram_) return std::unexpected(ram_.error());
  Fd copy(::fcntl(ram_->get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno("QEMU's memory", errno);
  return copy;
}

Result<Fd> LocalProcess::open_ram(std::uint64_t bytes) const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ / "fd", error)) {
    std::error_code ignored;
    if (!fs::read_symlink(entry.path(), ignored).string().starts_with("/memfd:")) continue;
    Fd fd(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info{};
    if (fd && ::fstat(fd.get(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) == bytes)
      return fd;
  }
  return fail(ErrorKind::environment, "QEMU's memory may not be opened through " +
                                          (folder_ / "fd").string() +
                                          (error ? ": " + error.message() : ""));
}

}  // namespace ktrial::vm
