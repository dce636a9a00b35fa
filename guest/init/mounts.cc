#include "guest/init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "guest/init/system.h"

namespace ktrial::init {
namespace {

struct Mount {
  const char* type;
  const char* target;
  unsigned long flags;
  const char* options;
};
constexpr unsigned long kSafe = MS_NOSUID | MS_NOEXEC | MS_NODEV;
constexpr Mount kEssential[] = {
    {"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
    {"proc", "/proc", kSafe, ""},
    {"sysfs", "/sys", kSafe, ""},
};
// Workloads may build and run programs in /tmp: no MS_NOEXEC there.
constexpr Mount kRest[] = {
    {"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"},
    {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
    {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620"},
    {"cgroup2", "/sys/fs/cgroup", kSafe, ""},
    {"debugfs", "/sys/kernel/debug", kSafe, ""},
    {"tracefs", "/sys/kernel/tracing", kSafe, ""},
};

// Of the initramfs: mounted file systems are not looked into.
bool holds_files(const char* path) {
  struct stat self{}, parent{};
  if (stat(path, &self) != 0 || stat("/", &parent) != 0 || self.st_dev != parent.st_dev)
    return false;
  std::error_code error;
  return !std::filesystem::is_empty(path, error) && !error;
}

void mount_one(const Mount& entry) {
  mkdir(entry.target, 0755);  // EEXIST, or refused by sysfs: mount tells
  if (mount(entry.type, entry.target, entry.type, entry.flags, entry.options) == 0) return;
  // EBUSY: mounted already. ENODEV: this kernel is built without it, and so is
  // ENOENT: sysfs makes the mount point only when there is something to mount.
  if (errno == EBUSY || errno == ENODEV || errno == ENOENT) return;
  say(with_errno(std::string("cannot mount ") + entry.type + " on " + entry.target, errno));
}

}  // namespace

void mount_essential() {
  for (const Mount& entry : kEssential) mount_one(entry);
  // An initramfs without /dev/console starts init with no descriptor at all.
  int fd = 0;
  do fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

void mount_rest() {
  for (const Mount& entry : kRest) {
    // A program of the host keeps its path: what was packed below /tmp or /run
    // must not be mounted over. The root is a tmpfs of its own.
    if (holds_files(entry.target))
      chmod(entry.target, 01777);
    else
      mount_one(entry);
  }
}

}  // namespace ktrial::init
