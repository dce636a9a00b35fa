// The second backend: a transient domain of libvirt's, on this host or another.
//
// The domain belongs to its connection (VIR_DOMAIN_START_AUTODESTROY): a killed ktrial
// leaves none behind. Console, virtio-serial ports, events and monitor commands all go
// through libvirt; what a local QEMU's /proc shows is used where it can be proven to be ours.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <stop_token>
#include <string>

#include "harness/vm/vm.h"

namespace ktrial::vm {

struct LibvirtInstall {
  std::string uri;              // as asked for; over ssh with no_tty=1 (libvirt_ssh.h)
  std::string libvirt_version;  // of the daemon, "9.0.0"
  std::string qemu_version;     // "7.2.22"
  std::string host;             // as it calls itself
  bool local = true;            // the URI names no other host
  bool session = false;         // its QEMUs run as the user who asks
};

// `uri` may be empty: $LIBVIRT_DEFAULT_URI, else qemu:///system for root and
// qemu:///session for others. Connects, asks, and closes; a request to stop, from
// another thread, ends that soon.
Result<LibvirtInstall> find_libvirt(boost::asio::io_context& io, const std::string& uri,
                                    std::stop_token stop = {});

// Whether it would run a domain under KVM; slow where KVM opens but does not work.
Result<bool> libvirt_offers_kvm(boost::asio::io_context& io, const LibvirtInstall& libvirt);

// An error if this ktrial was built without libvirt.
Result<std::unique_ptr<Vm>> make_libvirt_vm(boost::asio::io_context& io,
                                            const LibvirtInstall& libvirt, const VmConfig& config);

}  // namespace ktrial::vm
