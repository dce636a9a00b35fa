#include "harness/kernel/lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "harness/base/file.h"

namespace ktrial::kernel {

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, std::stop_token stop) {
  Fd fd = KTRIAL_TRY(open_file(path, O_RDWR | O_CREAT));
  // Polled, because a blocking flock() could not be interrupted from a thread.
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno("lock " + path.string(), errno);
    if (stop.stop_requested()) return fail(ErrorKind::interrupted, "waiting for " + path.string());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return FileLock(std::move(fd));
}

std::optional<FileLock> FileLock::try_acquire(const std::filesystem::path& path) {
  auto fd = open_file(path, O_RDWR | O_CREAT);
  if (!fd || ::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return FileLock(std::move(*fd));
}

}  // namespace ktrial::kernel
