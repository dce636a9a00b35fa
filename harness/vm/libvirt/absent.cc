// Stands in for the libvirt backend where the library was not there at build time.
#include "harness/vm/libvirt/host_facts.h"
#include "harness/vm/libvirt/libvirt_vm.h"

namespace ktrial::vm {
namespace {
std::unexpected<Error> absent() {
  return fail(ErrorKind::environment, "this ktrial was built without libvirt",
              "install libvirt-dev, then configure and build again; or use --vmm qemu");
}
}  // namespace

Result<LibvirtInstall> find_libvirt(boost::asio::io_context&, const std::string&, std::stop_token) {
  return absent();
}

Result<bool> libvirt_offers_kvm(boost::asio::io_context&, const LibvirtInstall&) {
  return absent();
}

Result<LibvirtHost> libvirt_host(boost::asio::io_context&, const std::string&) { return absent(); }

Result<std::unique_ptr<Vm>> make_libvirt_vm(boost::asio::io_context&, const LibvirtInstall&,
                                            const VmConfig&) {
  return absent();
}

}  // namespace ktrial::vm
