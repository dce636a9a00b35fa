#include <unistd.h>

#include "harness/trial/plan.h"
#include "harness/vm/libvirt/libvirt_vm.h"
#include "harness/vm/qemu/qemu_vm.h"

namespace ktrial::trial {
namespace {

Result<Vmm> direct(boost::asio::io_context& io, const arch::Arch& arch, std::stop_token stop) {
  const auto qemu = KTRIAL_TRY(vm::find_qemu(stop, arch));
  return Vmm{.make = [&io, qemu](
                         const vm::VmConfig& config) { return vm::make_qemu_vm(io, qemu, config); },
             .version = qemu.version,
             .facts = {{"qemu.program", qemu.program.string()}, {"qemu.version", qemu.version}}};
}

Result<Vmm> through_libvirt(boost::asio::io_context& io, const std::string& uri,
                            std::stop_token stop) {
  const auto found = KTRIAL_TRY(vm::find_libvirt(io, uri, stop));
  return Vmm{
      .make = [&io, found](
                  const vm::VmConfig& config) { return vm::make_libvirt_vm(io, found, config); },
      .version = found.uri + " " + found.qemu_version,
      .facts = {{"libvirt.uri", found.uri},
                {"libvirt.version", found.libvirt_version},
                {"libvirt.host", found.host},
                {"qemu.version", found.qemu_version}},
      .local = found.local,
      .private_sockets = found.session};
}

}  // namespace

Result<Vmm> choose_vmm(boost::asio::io_context& io, const spec::TrialSpec& spec,
                       const arch::Arch& arch, std::stop_token stop) {
  if (spec.vmm == spec::Vmm::libvirt) return through_libvirt(io, spec.connect, stop);
  return direct(io, arch, stop);
}

}  // namespace ktrial::trial
