#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/trial/plan.h"
#include "harness/vm/libvirt/libvirt_vm.h"
#include "harness/vm/qemu/argv.h"
#include "harness/vm/qemu/qemu_vm.h"

namespace ktrial::trial {
namespace {

// The program, and what it is started with.
std::string identity_of(const vm::QemuInstall& qemu, const vm::VmConfig& config) {
  std::string out = qemu.version + "\n" + qemu.program.string();
  struct stat info{};
  if (::stat(qemu.program.c_str(), &info) == 0)
    out += fmt::format("\n{} {} {}", info.st_ino, info.st_size, info.st_mtim.tv_sec);
  if (const std::filesystem::path clock = vm::preloaded(config); !clock.empty())
    out += "\nLD_PRELOAD=" + clock.filename().string();
  vm::QemuWiring wiring{.ram_fd = 0, .console_fd = 0, .qmp_fd = 0, .port_fds = {}};
  if (const auto* serial = std::get_if<vm::VirtioSerialPorts>(&config.channel))
    wiring.port_fds.resize(serial->names.size());
  for (const std::string& argument : vm::qemu_arguments(config, wiring)) out += "\n" + argument;
  return out;
}

Result<Vmm> direct(boost::asio::io_context& io, const arch::Arch& arch, std::stop_token stop) {
  const auto qemu = KTRIAL_TRY(vm::find_qemu(stop, arch));
  return Vmm{.make = [&io, qemu](
                         const vm::VmConfig& config) { return vm::make_qemu_vm(io, qemu, config); },
             .identity = [qemu](const vm::VmConfig& config) { return identity_of(qemu, config); },
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
