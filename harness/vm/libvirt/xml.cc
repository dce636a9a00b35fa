#include "harness/vm/libvirt/xml.h"

#include <fmt/format.h>

#include "harness/base/text.h"
#include "harness/vm/qemu/argv.h"

namespace ktrial::vm {
namespace {

// Text or an attribute's value; what XML cannot write is refused.
Result<std::string> escaped(const std::string& text, const char* what) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')
      return usage_error(fmt::format("{}: libvirt cannot be given the control character {:#04x}",
                                     what, static_cast<unsigned>(c)),
                         "leave it out, or use --vmm qemu");
  return xml_escaped(text);
}

Status check(const VmConfig& config) {
  if (config.machine != Machine::q35)
    return usage_error("libvirt knows no machine microvm", "use --machine q35, or --vmm qemu");
  if (config.one_thread)
    return usage_error(
        "this workload patches code, which under TCG needs one thread for all vCPUs: libvirt has "
        "no word for that",
        "use --vmm qemu, or --accel kvm");
  return {};
}

Result<std::string> boot(const VmConfig& config) {
  std::string out = "  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n";
  out += fmt::format("    <kernel>{}</kernel>\n",
                     KTRIAL_TRY(escaped(config.kernel.string(), "the kernel's path")));
  if (!config.initrd.empty())
    out += fmt::format("    <initrd>{}</initrd>\n",
                       KTRIAL_TRY(escaped(config.initrd.string(), "the initramfs's path")));
  out += fmt::format("    <cmdline>{}</cmdline>\n  </os>\n",
                     KTRIAL_TRY(escaped(config.command_line, "the kernel's command line")));
  return out;
}

// A PCI slot on the root bus: libvirt would put a port of its own before each device.
std::string pci_slot(int slot) {
  return fmt::format("<address type='pci' domain='0' bus='0' slot='{}' function='0'/>", slot);
}

Result<std::string> channel_devices(const VmConfig& config) {
  std::string out;
  if (auto* serial = std::get_if<VirtioSerialPorts>(&config.channel)) {
    out += fmt::format("    <controller type='virtio-serial' index='0'>{}</controller>\n",
                       pci_slot(4));
    for (std::size_t i = 0; i < serial->names.size(); ++i)
      out += fmt::format(
          "    <channel type='unix'>\n      <source mode='bind'/>\n"
          "      <target type='virtio' name='{}'/>\n"
          "      <address type='virtio-serial' controller='0' bus='0' port='{}'/>\n"
          "    </channel>\n",
          KTRIAL_TRY(escaped(serial->names[i], "a port's name")), i + 1);
  } else if (auto* vhost = std::get_if<VhostVsockDevice>(&config.channel)) {
    // Not cid auto='yes': who listens for the guest accepts its CID only, and exists before it.
    out += fmt::format("    <vsock model='virtio'><cid auto='no' address='{}'/>{}</vsock>\n",
                       vhost->cid, pci_slot(4));
  }
  return out;
}

Result<std::string> command_line_part(const VmConfig& config) {
  auto* user = std::get_if<VhostUserVsockDevice>(&config.channel);
  if (user == nullptr) return "";
  const std::string path =
      KTRIAL_TRY(escaped(option_value(user->socket.string()), "the vsock socket's path"));
  return fmt::format(
      "  <qemu:commandline>\n"
      "    <qemu:arg value='-chardev'/>\n    <qemu:arg value='socket,id=vsock,path={}'/>\n"
      "    <qemu:arg value='-device'/>\n    <qemu:arg "
      "value='vhost-user-vsock-pci,chardev=vsock'/>\n"
      "  </qemu:commandline>\n",
      path);
}

}  // namespace

Result<std::string> domain_xml(const VmConfig& config, const DomainIdentity& identity) {
  KTRIAL_TRY(check(config));
  const bool kvm = config.accel == Accel::kvm;
  std::string out = fmt::format(
      "<domain type='{}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
      "  <name>{}</name>\n  <uuid>{}</uuid>\n"
      "  <memory unit='MiB'>{}</memory>\n"
      "  <memoryBacking>\n    <source type='memfd'/>\n    <access mode='shared'/>\n"
      "  </memoryBacking>\n"
      "  <vcpu>{}</vcpu>\n",
      kvm ? "kvm" : "qemu", KTRIAL_TRY(escaped(identity.name, "the domain's name")),
      KTRIAL_TRY(escaped(identity.uuid, "the domain's UUID")), config.memory_mib, config.cpus);
  out += KTRIAL_TRY(boot(config));
  // Devices that no trial needs are off, as in qemu_argv.cc. A guest that resets goes on
  // to reboot, so that its last words can be read before the machine is ended; libvirt
  // would take the console away first.
  out += fmt::format(
      "  <features>\n    <acpi/>\n    <apic/>\n    <vmport state='off'/>\n  </features>\n"
      "  <cpu mode='{}'/>\n"
      "  <clock offset='utc'>\n    <timer name='hpet' present='no'/>\n  </clock>\n"
      "  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n"
      "  <on_crash>destroy</on_crash>\n"
      "  <devices>\n"
      "    <controller type='usb' model='none'/>\n"
      "    <memballoon model='none'/>\n"
      "    <serial type='pty'>\n      <target type='isa-serial' port='0'/>\n    </serial>\n",
      kvm ? "host-passthrough" : "maximum");
  out += KTRIAL_TRY(channel_devices(config));
  out += "  </devices>\n";
  out += KTRIAL_TRY(command_line_part(config));
  return out + "</domain>\n";
}

}  // namespace ktrial::vm
