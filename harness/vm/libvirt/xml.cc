#include "harness/vm/libvirt/xml.h"

#include <fmt/format.h>

#include <pugixml.hpp>
#include <sstream>

#include "harness/vm/qemu/argv.h"

namespace ktrial::vm {
namespace {

// What XML cannot write is refused; the rest pugixml escapes.
Result<std::string> writable(std::string text, const char* what) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')
      return usage_error(fmt::format("{}: libvirt cannot be given the control character {:#04x}",
                                     what, static_cast<unsigned>(c)),
                         "leave it out, or use --vmm qemu");
  return text;
}

Status check(const VmConfig& config) {
  if (!config.machine->libvirt)
    return usage_error("libvirt knows no machine " + config.machine->name,
                       "use --machine " + config.arch->machine("")->name + ", or --vmm qemu");
  if (config.one_thread)
    return usage_error(
        "this workload patches code, which under TCG needs one thread for all vCPUs: libvirt has "
        "no word for that",
        "use --vmm qemu, or --accel kvm");
  return {};
}

using Attributes = std::initializer_list<std::pair<const char*, std::string>>;

pugi::xml_node add(pugi::xml_node parent, const char* name, const Attributes& attributes = {}) {
  pugi::xml_node node = parent.append_child(name);
  for (const auto& [key, value] : attributes) node.append_attribute(key) = value.c_str();
  return node;
}

void add_text(pugi::xml_node parent, const char* name, const std::string& text,
              const Attributes& attributes = {}) {
  add(parent, name, attributes).text() = text.c_str();
}

Status add_boot(pugi::xml_node domain, const VmConfig& config) {
  pugi::xml_node os = add(domain, "os");
  add_text(os, "type", "hvm", {{"arch", config.arch->name}, {"machine", config.machine->name}});
  add_text(os, "kernel", KTRIAL_TRY(writable(config.kernel.string(), "the kernel's path")));
  if (!config.initrd.empty())
    add_text(os, "initrd", KTRIAL_TRY(writable(config.initrd.string(), "the initramfs's path")));
  add_text(os, "cmdline", KTRIAL_TRY(writable(config.command_line, "the kernel's command line")));
  return {};
}

// Devices that no trial needs are off, as in qemu/argv.cc. A guest that resets goes on
// to reboot, so that its last words can be read before the machine is ended; libvirt
// would take the console away first.
void add_machine(pugi::xml_node domain, const VmConfig& config) {
  pugi::xml_node features = add(domain, "features");
  for (const std::string& feature : config.arch->libvirt_features) add(features, feature.c_str());
  for (const std::string& feature : config.arch->libvirt_features_off)
    add(features, feature.c_str(), {{"state", "off"}});
  add(domain, "cpu", {{"mode", config.accel == Accel::kvm ? "host-passthrough" : "maximum"}});
  pugi::xml_node clock = add(domain, "clock", {{"offset", "utc"}});
  for (const std::string& timer : config.arch->libvirt_timers_off)
    add(clock, "timer", {{"name", timer}, {"present", "no"}});
  add_text(domain, "on_poweroff", "destroy");
  add_text(domain, "on_reboot", "restart");
  add_text(domain, "on_crash", "destroy");
}

// On the root bus: libvirt would put a port of its own before each device.
void add_slot(pugi::xml_node device, int slot) {
  add(device, "address",
      {{"type", "pci"},
       {"domain", "0"},
       {"bus", "0"},
       {"slot", std::to_string(slot)},
       {"function", "0"}});
}

Status add_channel(pugi::xml_node devices, const VmConfig& config) {
  if (auto* serial = std::get_if<VirtioSerialPorts>(&config.channel)) {
    add_slot(add(devices, "controller", {{"type", "virtio-serial"}, {"index", "0"}}), 4);
    for (std::size_t i = 0; i < serial->names.size(); ++i) {
      pugi::xml_node channel = add(devices, "channel", {{"type", "unix"}});
      add(channel, "source", {{"mode", "bind"}});
      add(channel, "target",
          {{"type", "virtio"}, {"name", KTRIAL_TRY(writable(serial->names[i], "a port's name"))}});
      add(channel, "address",
          {{"type", "virtio-serial"},
           {"controller", "0"},
           {"bus", "0"},
           {"port", std::to_string(i + 1)}});
    }
  } else if (auto* vhost = std::get_if<VhostVsockDevice>(&config.channel)) {
    pugi::xml_node vsock = add(devices, "vsock", {{"model", "virtio"}});
    // Not auto='yes': who listens for the guest accepts its CID only, and exists before it.
    add(vsock, "cid", {{"auto", "no"}, {"address", std::to_string(vhost->cid)}});
    add_slot(vsock, 4);
  }
  return {};
}

Status add_command_line(pugi::xml_node domain, const VmConfig& config) {
  auto* user = std::get_if<VhostUserVsockDevice>(&config.channel);
  if (user == nullptr) return {};
  const std::string path =
      KTRIAL_TRY(writable(option_value(user->socket.string()), "the vsock socket's path"));
  pugi::xml_node line = add(domain, "qemu:commandline");
  for (const std::string& word :
       {std::string("-chardev"), "socket,id=vsock,path=" + path, std::string("-device"),
        std::string("vhost-user-vsock-pci,chardev=vsock")})
    add(line, "qemu:arg", {{"value", word}});
  return {};
}

}  // namespace

Result<std::string> domain_xml(const VmConfig& config, const DomainIdentity& identity) {
  KTRIAL_TRY(check(config));
  pugi::xml_document document;
  pugi::xml_node domain = add(document, "domain",
                              {{"type", config.accel == Accel::kvm ? "kvm" : "qemu"},
                               {"xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0"}});
  add_text(domain, "name", KTRIAL_TRY(writable(identity.name, "the domain's name")));
  add_text(domain, "uuid", KTRIAL_TRY(writable(identity.uuid, "the domain's UUID")));
  if (!identity.owner.empty())
    add_text(domain, "description", KTRIAL_TRY(writable(identity.owner, "the domain's owner")));
  add_text(domain, "memory", std::to_string(config.memory_mib), {{"unit", "MiB"}});
  pugi::xml_node backing = add(domain, "memoryBacking");
  add(backing, "source", {{"type", "memfd"}});
  add(backing, "access", {{"mode", "shared"}});
  add_text(domain, "vcpu", std::to_string(config.cpus));
  KTRIAL_TRY(add_boot(domain, config));
  add_machine(domain, config);
  pugi::xml_node devices = add(domain, "devices");
  add(devices, "controller", {{"type", "usb"}, {"model", "none"}});
  add(devices, "memballoon", {{"model", "none"}});
  add(add(devices, "serial", {{"type", "pty"}}), "target",
      {{"type", config.arch->libvirt_console}, {"port", "0"}});
  KTRIAL_TRY(add_channel(devices, config));
  KTRIAL_TRY(add_command_line(domain, config));
  std::ostringstream out;
  document.save(out, "  ", pugi::format_default | pugi::format_no_declaration);
  return out.str();
}

}  // namespace ktrial::vm
