// What all CPUs of a host did, as its libvirt tells.
#pragma once

#include <libvirt/libvirt.h>

#include <optional>

#include "harness/vm/vm.h"

namespace ktrial::vm {

// Since the host's boot. Blocks: call it within LibvirtConnection::call().
std::optional<FarTimes::Cpus> host_cpu_times(virConnectPtr connection);

}  // namespace ktrial::vm
