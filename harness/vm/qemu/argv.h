// VmConfig → QEMU's command line. Pure: golden-tested.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/vm/vm.h"

namespace ktrial::vm {

// The descriptors that a QEMU started by us inherits. Absent for a command
// line meant for a person's shell: console and monitor are then on stdio and
// the channel has no host end.
struct QemuWiring {
  int ram_fd = -1;
  int console_fd = -1;
  int qmp_fd = -1;
  std::vector<int> port_fds;            // as VirtioSerialPorts::names
  bool ram_shared = true;               // see Ram
  int control_fd = -1, notify_fd = -1;  // of the plugin
};

// VmConfig::socket_for_plug: the id of the bus.
inline constexpr char kSocketForPlug[] = "plug";

std::vector<std::string> qemu_arguments(const VmConfig& config,
                                        const std::optional<QemuWiring>& wiring);
// How QEMU finds a deterministic machine's clock; empty: it is not preloaded.
std::string preloaded(const VmConfig& config);
// A value in QEMU's option syntax, where a comma is written twice.
std::string option_value(const std::string& value);
// `program arguments...` quoted for a POSIX shell, one option a line.
std::string shell_script(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace ktrial::vm
