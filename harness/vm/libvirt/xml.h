// VmConfig → libvirt's domain XML (https://libvirt.org/formatdomain.html). Pure:
// golden-tested.
//
// Two things have no XML and go through libvirt's qemu:commandline: the
// vhost-user-vsock device and its chardev. Two can not be had at all, and are
// refused: the microvm machine, and TCG with one thread for all vCPUs.
#pragma once

#include <string>

#include "harness/vm/vm.h"

namespace ktrial::vm {

// What the names of ktrial's domains begin with.
inline constexpr char kDomainPrefix[] = "ktrial-";
struct DomainIdentity {
  std::string name;       // unique on the host
  std::string uuid;       // the same, RFC 4122 text
  std::string owner;      // its description, or empty: orphans.h
  std::string pool = {};  // of its files, where they have to be sent
};

// ErrorKind::usage if the configuration asks for what libvirt lacks, or holds
// bytes that XML 1.0 cannot carry.
Result<std::string> domain_xml(const VmConfig& config, const DomainIdentity& identity);

}  // namespace ktrial::vm
