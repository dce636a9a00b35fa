// Domains whose ktrial is no more.
//
// A domain ends with its connection (VIR_DOMAIN_START_AUTODESTROY), unless libvirtd is killed: QEMU
// lives on, and the next libvirtd finds it, but not who wanted it. So each domain's description
// names the process that does.
#pragma once

#include <string>

#include "harness/vm/libvirt/connection.h"

namespace ktrial::vm {

// Of this process, for a description.
std::string domain_owner();
// Whether a description names a process that is known to have ended. Nobody else's does.
bool is_orphaned(const std::string& description);

// Ends those of them that are there; how many.
int end_orphans(LibvirtConnection& connection, LibvirtConnection::Patience patience);

}  // namespace ktrial::vm
