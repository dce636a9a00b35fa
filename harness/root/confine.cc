// ktrial-confine: shows a program a read-only tree of the host and nothing that could harm the
// host through it; then becomes that program (a file server, on whose honesty towards the guest
// nothing rests then). In a mount namespace of its own; of an ordinary user in a user namespace.
//
//     ktrial-confine --source=DIR --at=EMPTY_DIR [--host] [--show=PATH]... [--modules=DIR:RELEASE]
//                    -- PROGRAM ARGUMENTS
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/root/mounts.h"

namespace fs = std::filesystem;
using namespace ktrial;

namespace {

constexpr std::size_t kMaxMountinfo = 16u << 20;

struct Request {
  std::string source, at, modules;  // modules: "DIR:RELEASE"
  bool host = false;
  std::vector<std::string> show, command;
};

[[noreturn]] void give_up(const std::string& what, int error = 0) {
  std::fprintf(stderr, "%s%s%s\n", what.c_str(), error != 0 ? ": " : "",
               error != 0 ? std::strerror(error) : "");
  _exit(126);
}

Request parse(int argc, char** argv) {
  Request out;
  int i = 1;
  for (; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    const std::string argument = argv[i];
    const std::string value =
        argument.substr(std::min(argument.find('='), argument.size() - 1) + 1);
    if (argument.starts_with("--source="))
      out.source = value;
    else if (argument.starts_with("--at="))
      out.at = value;
    else if (argument.starts_with("--show="))
      out.show.push_back(value);
    else if (argument.starts_with("--modules="))
      out.modules = value;
    else if (argument == "--host")
      out.host = true;
    else
      give_up("unknown argument " + argument);
  }
  for (++i; i < argc; ++i) out.command.push_back(argv[i]);
  if (out.source.empty() || out.at.empty() || out.command.empty())
    give_up("needs --source, --at and a program");
  return out;
}

void write_map(const char* file, const std::string& text) {
  const int fd = ::open(file, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    give_up(std::string("write ") + file, errno);
  ::close(fd);
}

void leave_the_host() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(CLONE_NEWNS | (user != 0 ? CLONE_NEWUSER : 0)) != 0)
    give_up(user != 0 ? "an ordinary user may not have namespaces here "
                        "(sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces, or "
                        "AppArmor's restriction of them)"
                      : "no mount namespace",
            errno);
  if (user != 0) {
    write_map("/proc/self/setgroups", "deny");
    write_map("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
    write_map("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // new credentials may have taken it away
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    give_up("make all mounts private", errno);
}

// An empty folder over `path`. Its mode is that of the place that it stands for.
void cover(const std::string& path, const char* options = "mode=0755,size=1m") {
  if (::mount("none", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
    give_up("cover " + path, errno);
}

bool is_folder(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// A user namespace may not take away what a mount was given (mount_namespaces(7)).
unsigned long kept_flags(const std::string& options) {
  unsigned long flags = 0;
  for (std::string_view one : split(options, ',')) {
    if (one == "nosuid") flags |= MS_NOSUID;
    if (one == "nodev") flags |= MS_NODEV;
    if (one == "noexec") flags |= MS_NOEXEC;
    if (one == "noatime") flags |= MS_NOATIME;
    if (one == "nodiratime") flags |= MS_NODIRATIME;
    if (one == "relatime") flags |= MS_RELATIME;
  }
  return flags;
}

std::vector<root::MountPoint> mounts_below(const std::string& folder) {
  const auto text = read_file("/proc/self/mountinfo", kMaxMountinfo);
  if (!text) give_up(text.error().message);
  std::vector<root::MountPoint> out;
  for (root::MountPoint& point : root::parse_mountinfo(*text))
    if (point.path == folder || point.path.starts_with(folder + "/"))
      out.push_back(std::move(point));
  return out;
}

// What cannot be made read-only is covered: nothing of `folder` may stay writable.
void make_readonly(const std::string& folder) {
  for (const root::MountPoint& point : mounts_below(folder)) {
    struct stat info{};
    if (::lstat(point.path.c_str(), &info) != 0) continue;  // below something that covers it
    if (::mount(nullptr, point.path.c_str(), nullptr,
                MS_REMOUNT | MS_BIND | MS_RDONLY | kept_flags(point.options), nullptr) == 0)
      continue;
    if (errno == EINVAL) continue;  // not the topmost mount of its place: nobody reaches it
    if (point.path == folder || !S_ISDIR(info.st_mode))
      give_up("make " + point.path + " read-only", errno);
    cover(point.path, "ro,mode=0755,size=1m");
  }
}

void cover_the_kernel(const std::string& at) {
  for (const root::MountPoint& point : mounts_below(at))
    if (root::is_of_the_kernel(point.type) && is_folder(point.path)) cover(point.path);
}

// `path` of the host, at the same path below `at`. Where a covered place hides it, it is made
// anew; elsewhere it is there already.
void show(const std::string& path, const std::string& at) {
  const std::string target = at + path;
  struct stat info{}, shown{};
  if (::stat(path.c_str(), &info) != 0) give_up("share " + path, errno);
  if (::stat(target.c_str(), &shown) == 0 && shown.st_dev == info.st_dev &&
      shown.st_ino == info.st_ino)
    return;
  std::error_code error;
  if (S_ISDIR(info.st_mode)) {
    fs::create_directories(target, error);
  } else {
    fs::create_directories(fs::path(target).parent_path(), error);
    const int fd = ::open(target.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    if (fd >= 0) ::close(fd);
  }
  if (::mount(path.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    give_up("share " + path, errno);
}

// depmod's files and the modules of the guest's kernel: where modprobe looks; of a host's root,
// which may have no such folder, where guest/userland finds them.
void show_modules(const std::string& modules, const std::string& at, bool host) {
  const std::size_t colon = modules.rfind(':');
  std::error_code error;
  if (host) {
    const std::string target = at + "/run/ktrial-modules";
    fs::create_directory(target, error);
    if (!error &&
        ::mount(modules.substr(0, colon).c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
      give_up("show the kernel's modules", errno);
    return;
  }
  const fs::path place = fs::canonical(at + "/lib/modules", error);
  if (error || !place.string().starts_with(at + "/")) return;  // no such folder: no modprobe either
  cover(place.string());
  const fs::path target = place / modules.substr(colon + 1);
  fs::create_directories(target, error);
  if (::mount(modules.substr(0, colon).c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
    give_up("show the kernel's modules", errno);
}

}  // namespace

int main(int argc, char** argv) {
  const Request request = parse(argc, argv);
  ::umask(022);
  leave_the_host();
  if (::mount(request.source.c_str(), request.at.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    give_up("bind " + request.source, errno);
  cover_the_kernel(request.at);
  if (request.host)
    for (const char* place : root::kCovered)
      if (is_folder(request.at + place))
        cover(request.at + place,
              std::string_view(place) == "/tmp" ? "mode=1777,size=1m" : "mode=0755,size=1m");
  for (const std::string& path : request.show) show(path, request.at);
  cover_the_kernel(request.at);  // of what was shown
  if (!request.modules.empty()) show_modules(request.modules, request.at, request.host);
  make_readonly(request.at);

  std::vector<char*> words;
  for (const std::string& word : request.command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  give_up("run " + request.command[0], errno);
}
