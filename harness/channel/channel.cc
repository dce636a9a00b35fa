#include "harness/channel/channel.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/base/text.h"
#include "harness/spec/timeouts.h"

namespace ktrial::channel {

const char* name(Kind kind) {
  switch (kind) {
    case Kind::vhost_vsock:
      return "vhost-vsock";
    case Kind::vhost_user_vsock:
      return "vhost-user-vsock";
    case Kind::virtio_serial:
      return "virtio-serial";
  }
  std::abort();
}

std::vector<std::string> guest_modules(Kind kind) {
  if (kind == Kind::virtio_serial) return {"virtio_pci", "virtio_console"};
  return {"virtio_pci", "vmw_vsock_virtio_transport"};
}

std::optional<Error> why_unusable(Kind kind) {
  if (kind == Kind::vhost_vsock) {
    int fd = ::open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
      ::close(fd);
      return std::nullopt;
    }
    const int error = errno;
    Error out = system_error("vhost-vsock: /dev/vhost-vsock", error);
    out.hint = error == EACCES || error == EPERM
                   ? "add yourself to the group that owns /dev/vhost-vsock (often kvm)"
                   : "load the module with `modprobe vhost_vsock`, or use --channel "
                     "vhost-user-vsock or virtio-serial, which need no kernel support";
    return out;
  }
  if (kind == Kind::vhost_user_vsock && !find_program("vhost-device-vsock"))
    return Error{ErrorKind::environment, "vhost-user-vsock: vhost-device-vsock is not installed",
                 "install the package vhost-device-vsock (`./bootstrap.sh build` does), or use "
                 "--channel virtio-serial"};
  return std::nullopt;
}

std::string vsock_daemon_version() {
  const auto output = run_command({"vhost-device-vsock", "--version"},
                                  {.timeout = spec::host_wait(spec::HostWait::program_version)});
  return output && output->ok() ? std::string(trimmed(output->out)) : "";
}

bool vsock_daemon_loses_large_writes(std::string_view version) {
  version.remove_prefix(std::min(version.find_first_of("0123456789"), version.size()));
  const auto parts = split(version, '.');
  if (parts.size() < 2) return false;
  const auto major = to_number<int>(parts[0]), minor = to_number<int>(parts[1]);
  return major && minor && *major == 0 && *minor <= 3;
}

}  // namespace ktrial::channel
