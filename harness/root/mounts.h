// Which parts of a host's tree a guest must never be shown. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ktrial::root {

struct MountPoint {
  std::string path;
  std::string type;     // ext4, proc, ...
  std::string options;  // of the mount: "rw,nosuid,relatime"
  bool operator==(const MountPoint&) const = default;
};

// Of /proc/PID/mountinfo (proc(5)), in its order. Lines that are no such line are left out.
std::vector<MountPoint> parse_mountinfo(std::string_view text);

// Whether files of that type are handles of the host's kernel or of its processes rather than
// data: /proc/PID/mem would hand the file server's own memory to the guest.
bool is_of_the_kernel(std::string_view type);

// Of /: covered by empty folders, wherever a mount stands.
inline constexpr const char* kCovered[] = {"/proc", "/sys",  "/dev", "/run",
                                           "/root", "/home", "/tmp"};

}  // namespace ktrial::root
