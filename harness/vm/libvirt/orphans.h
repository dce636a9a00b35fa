// Domains whose ktrial is no more.
//
// A domain ends with its connection (VIR_DOMAIN_START_AUTODESTROY), unless libvirtd is killed: QEMU
// lives on, and the next libvirtd finds it, but not who wanted it. So each domain's description
// names the process that does. A storage pool (files.h) never ends by itself; it has no
// description, so its name says whose it is.
#pragma once

#include <string>

#include "harness/vm/libvirt/connection.h"
#include "results/store/owner.h"

namespace ktrial::vm {

// Of this process, for a description.
std::string domain_owner();
// Whether a description names a process that is known to have ended. Nobody else's does.
bool is_orphaned(const std::string& description);

// Of a storage pool with the files of `machine`. Where a host's name has odd bytes nobody is named.
std::string pool_name(const std::string& machine, const results::Owner& owner);
bool is_orphaned_pool(const std::string& name);

// Ends those domains that are there, and removes such pools; how many domains.
int end_orphans(LibvirtConnection& connection, LibvirtConnection::Patience patience);

}  // namespace ktrial::vm
