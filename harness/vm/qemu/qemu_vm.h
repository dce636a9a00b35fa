// The direct backend: a QEMU process of our own.
//
// Everything between us and QEMU is an inherited descriptor (console, monitor,
// virtio-serial ports, guest RAM as a memfd), so a killed ktrial leaves no
// socket and no RAM file behind, and two VMs can never take each other's names.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <stop_token>

#include "harness/vm/vm.h"

namespace ktrial::vm {

struct QemuInstall {
  std::filesystem::path program;
  std::string version;  // "7.2.22"
};
// $KTRIAL_QEMU, or the architecture's from PATH; version checked (>= 7.0 needed).
Result<QemuInstall> find_qemu(std::stop_token stop = {}, const arch::Arch& arch = arch::native());

Result<std::unique_ptr<Vm>> make_qemu_vm(boost::asio::io_context& io, const QemuInstall& qemu,
                                         const VmConfig& config);

}  // namespace ktrial::vm
