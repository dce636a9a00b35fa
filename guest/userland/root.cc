#include "guest/userland/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

namespace ktrial::userland {
namespace {

constexpr char kBase[] = "/.ktrial", kLower[] = "/.ktrial/lower", kRam[] = "/.ktrial/ram",
               kUpper[] = "/.ktrial/ram/upper", kWork[] = "/.ktrial/ram/work",
               kNew[] = "/.ktrial/new";

std::string with_errno(const std::string& what) { return what + ": " + strerror(errno); }

// With all its parents.
void make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1); at != path.npos; at = path.find('/', at + 1))
    mkdir(path.substr(0, at).c_str(), 0755);
  mkdir(path.c_str(), 0755);
}

// A disk's node appears when its driver has seen it, which may be after us.
bool wait_for(const std::string& path) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    if (access(path.c_str(), F_OK) == 0) return true;
    const timespec pause{0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
  return false;
}

// A device that was plugged into a resumed guest may be seen after us: until then its tag is not
// known (EINVAL).
bool mount_when_there(const std::string& tag, const char* target) {
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    if (mount(tag.c_str(), target, "virtiofs", MS_RDONLY | MS_NODEV, "") == 0) return true;
    if (errno != EINVAL) return false;
    const timespec pause{0, 5'000'000};
    nanosleep(&pause, nullptr);
  }
  return false;
}

std::string mount_lower(const Options& options, const char* target) {
  if (!options.tree.empty()) {
    if (mount(options.tree.c_str(), target, nullptr, MS_BIND, nullptr) == 0) return {};
    return with_errno("cannot bind the root");
  }
  if (!options.tag.empty()) {
    if (mount_when_there(options.tag, target)) return {};
    return with_errno("cannot mount the root (virtiofs): this kernel needs CONFIG_VIRTIO_FS");
  }
  if (!wait_for(options.device)) return "the root's disk " + options.device + " did not appear";
  const unsigned long flags = options.writable ? 0 : MS_RDONLY;
  if (mount(options.device.c_str(), target, options.type.c_str(), flags | MS_NODEV, "") == 0)
    return {};
  return with_errno("cannot mount the root (" + options.type + " on " + options.device + ")");
}

void mount_ram(const std::string& path, const char* mode) {
  make_folders(path);
  mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, mode);
}

// Without overlay: the tree as it is, with writable folders where programs expect them.
std::string bind_lower(const std::string& cwd, std::string& notes) {
  if (mount(kLower, kNew, nullptr, MS_BIND, nullptr) != 0)
    return with_errno("cannot bind the root");
  for (const std::string place : {"/tmp", "/var/tmp", "/root"}) {
    if (access((kNew + place).c_str(), F_OK) != 0) continue;
    const char* mode = place == "/root" ? "mode=0700" : "mode=1777";
    mount("tmpfs", (kNew + place).c_str(), "tmpfs", MS_NOSUID, mode);
    if (!cwd.starts_with(place + "/") || access((kLower + cwd).c_str(), F_OK) != 0) continue;
    make_folders(kNew + cwd);
    mount((kLower + cwd).c_str(), (kNew + cwd).c_str(), nullptr, MS_BIND, nullptr);
  }
  notes = "/etc and /usr are read-only: this kernel has no overlay";
  return {};
}

std::string make_writable(const Options& options, std::string& notes) {
  if (mount("tmpfs", kRam, "tmpfs", 0, "size=50%") != 0) return with_errno("cannot mount a tmpfs");
  mkdir(kUpper, 0755);
  mkdir(kWork, 0755);
  const std::string layers =
      std::string("lowerdir=") + kLower + ",upperdir=" + kUpper + ",workdir=" + kWork;
  if (mount("overlay", kNew, "overlay", 0, layers.c_str()) == 0) return {};
  if (errno != ENODEV) return with_errno("cannot mount the overlay over the root");
  return bind_lower(options.cwd.empty() ? options.try_cwd : options.cwd, notes);
}

// Of a host's root: confine.cc put them there. Where the root cannot be written to there are none.
void show_modules() {
  const std::string from = std::string(kLower) + "/run/ktrial-modules";
  utsname names{};
  if (access(from.c_str(), F_OK) != 0 || uname(&names) != 0) return;
  const std::string target = std::string(kNew) + "/lib/modules/" + names.release;
  make_folders(target);
  mount(from.c_str(), target.c_str(), nullptr, MS_BIND, nullptr);
}

// /dev, /proc and /sys are those of the initramfs, with all that is mounted on them.
std::string add_kernel_trees() {
  for (const char* tree : {"/dev", "/proc", "/sys"}) {
    const std::string target = kNew + std::string(tree);
    mkdir(target.c_str(), 0755);
    if (mount(tree, target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
      return with_errno(std::string("cannot have ") + tree + " in the root");
  }
  mount_ram(std::string(kNew) + "/run", "mode=0755");
  return {};
}

// devtmpfs has none of them. Without, "> /dev/stdout" makes a regular file.
void link_descriptors() {
  symlink("/proc/self/fd", "/dev/fd");
  symlink("/proc/self/fd/0", "/dev/stdin");
  symlink("/proc/self/fd/1", "/dev/stdout");
  symlink("/proc/self/fd/2", "/dev/stderr");
}

}  // namespace

std::string show_output(const Options& options, const std::string& root) {
  if (options.output.empty()) return {};
  const std::string target = root + "/run/output";
  make_folders(target);
  if (mount(options.output.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  return with_errno("cannot have /run/output");
}

std::string enter_root(const Options& options, std::string& notes) {
  if (unshare(CLONE_NEWNS) != 0) return with_errno("cannot have a mount namespace");
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  for (const char* folder : {kBase, kLower, kRam, kNew}) mkdir(folder, 0755);
  const bool as_it_is = options.writable || !options.tree.empty();
  if (std::string bad = mount_lower(options, as_it_is ? kNew : kLower); !bad.empty()) return bad;
  if (!as_it_is)
    if (std::string bad = make_writable(options, notes); !bad.empty()) return bad;
  show_modules();
  if (std::string bad = add_kernel_trees(); !bad.empty()) return bad;
  if (std::string bad = show_output(options, kNew); !bad.empty()) return bad;
  link_descriptors();
  // A chroot alone would not do: there user namespaces are refused.
  if (chdir(kNew) != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || chroot(".") != 0 ||
      chdir("/") != 0)
    return with_errno("cannot enter the root");
  return {};
}

}  // namespace ktrial::userland
