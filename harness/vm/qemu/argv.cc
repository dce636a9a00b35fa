#include "harness/vm/qemu/argv.h"

#include <fmt/format.h>

#include "harness/base/text.h"

namespace ktrial::vm {

const char* name(Accel accel) { return accel == Accel::kvm ? "kvm" : "tcg"; }

std::string option_value(const std::string& value) {
  std::string out;
  for (char c : value) {
    out.push_back(c);
    if (c == ',') out.push_back(',');
  }
  return out;
}

namespace {

void add_channel(std::vector<std::string>& out, const VmConfig& config,
                 const std::optional<QemuWiring>& wiring) {
  auto add = [&](std::initializer_list<std::string> options) { out.insert(out.end(), options); };
  if (auto* serial = std::get_if<VirtioSerialPorts>(&config.channel)) {
    // By an eventfd another thread would take what the guest sends, in the host's time.
    add({"-device",
         std::string("virtio-serial-pci,id=vser") + (config.exact ? ",ioeventfd=off" : "")});
    for (std::size_t i = 0; i < serial->names.size(); ++i) {
      add({"-chardev",
           wiring ? fmt::format("socket,id=port{},fd={}", i, wiring->port_fds.at(i))
                  : fmt::format("null,id=port{}", i),
           "-device",
           fmt::format("virtserialport,bus=vser.0,nr={},chardev=port{},name={}", i + 1, i,
                       serial->names[i])});
    }
  } else if (auto* vhost = std::get_if<VhostVsockDevice>(&config.channel)) {
    add({"-device", fmt::format("vhost-vsock-pci,guest-cid={}", vhost->cid)});
  } else if (auto* user = std::get_if<VhostUserVsockDevice>(&config.channel)) {
    add({"-chardev", "socket,id=vsock,path=" + option_value(user->socket.string()), "-device",
         "vhost-user-vsock-pci,chardev=vsock"});
  }
}

void add_root(std::vector<std::string>& out, const RootDevice& root) {
  auto add = [&](std::initializer_list<std::string> options) { out.insert(out.end(), options); };
  if (auto* server = std::get_if<VirtiofsDevice>(&root))
    add({"-chardev", "socket,id=root,path=" + option_value(server->socket.string()), "-device",
         "vhost-user-fs-pci,chardev=root,tag=" + option_value(server->tag)});
  if (auto* disk = std::get_if<DiskDevice>(&root))
    add({"-drive",
         fmt::format("file={},if=none,id=root,format=raw,{}", option_value(disk->image.string()),
                     disk->writable ? "snapshot=on" : "readonly=on"),
         "-device", disk->nvme ? "nvme,drive=root,serial=ktrial" : "virtio-blk-pci,drive=root"});
}

void add_plugin(std::vector<std::string>& out, const std::filesystem::path& plugin,
                const std::optional<QemuWiring>& wiring) {
  if (!wiring || plugin.empty()) return;
  out.insert(out.end(),
             {"-plugin", fmt::format("{},control=/proc/self/fd/{},ram=/proc/self/fd/{},notify={}",
                                     option_value(plugin.string()), wiring->control_fd,
                                     wiring->ram_fd, wiring->notify_fd)});
}

// docs/replay.md says which of these were measured to be needed.
void add_exact(std::vector<std::string>& out, const Exact& exact,
               const std::optional<QemuWiring>& wiring) {
  auto add = [&](std::initializer_list<std::string> options) { out.insert(out.end(), options); };
  add({"-icount", fmt::format("shift={},sleep=off", exact.shift)});
  add({"-seed", std::to_string(exact.seed)});
  add({"-rtc", "base=2026-01-01T00:00:00,clock=vm"});
  add_plugin(out, exact.plugin, wiring);
}

}  // namespace

std::vector<std::string> qemu_arguments(const VmConfig& config,
                                        const std::optional<QemuWiring>& wiring) {
  const bool kvm = config.accel == Accel::kvm;
  std::vector<std::string> out;
  auto add = [&](std::initializer_list<std::string> options) { out.insert(out.end(), options); };
  // debug-threads names the vCPU threads, so that host-side facts can be told per vCPU.
  add({"-name", fmt::format("{},debug-threads=on", option_value(config.name))});
  add({"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"});
  add({"-machine", config.machine->name + ",memory-backend=ram" + config.machine->options});
  const char* tcg = config.exact        ? "tcg"  // -icount has one thread
                    : config.one_thread ? "tcg,thread=single"
                                        : "tcg,thread=multi";
  add({"-accel", kvm ? "kvm" : tcg, "-cpu", kvm ? "host" : config.arch->cpu});
  add({"-smp", std::to_string(config.cpus), "-m", fmt::format("{}M", config.memory_mib)});
  if (config.exact) add_exact(out, *config.exact, wiring);
  add_plugin(out, config.delaying, wiring);
  // Shared RAM: vhost-user needs it, and a dead guest is read through it.
  const bool ours = wiring && config.share_ram;
  add({"-object",
       ours ? fmt::format("memory-backend-file,id=ram,size={}M,share={},"
                          "mem-path=/proc/self/fd/{}",
                          config.memory_mib, wiring->ram_shared ? "on" : "off", wiring->ram_fd)
            : fmt::format("memory-backend-memfd,id=ram,size={}M,share=on", config.memory_mib)});
  if (wiring) {
    add({"-chardev",
         fmt::format("file,id=console,path=/proc/self/fd/{},append=on", wiring->console_fd)});
    const auto& console = config.arch->console_device;
    out.insert(out.end(), console.begin(), console.end());
    add({"-chardev", fmt::format("socket,id=qmp,fd={}", wiring->qmp_fd)});
    add({"-mon", "chardev=qmp,mode=control"});
    add({"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"});
  } else {
    add({"-serial", "mon:stdio"});
  }
  if (config.socket_for_plug)
    add({"-device", fmt::format("pcie-root-port,id={},chassis=1,slot=1", kSocketForPlug)});
  add_channel(out, config, wiring);
  add_root(out, config.root);
  if (wiring && config.resume) {
    add({"-incoming", "defer"});
    // Its RAM goes with the process: it must not end before that was copied.
    if (!wiring->ram_shared) add({"-action", "shutdown=pause"});
    return out;
  }
  add({"-kernel", config.kernel.string()});
  if (!config.initrd.empty()) add({"-initrd", config.initrd.string()});
  add({"-append", config.command_line});
  return out;
}

std::string preloaded(const VmConfig& config) {
  return config.exact ? config.exact->clock.string() : "";
}

std::string shell_script(const std::string& program, const std::vector<std::string>& arguments) {
  std::string out = shell_quoted(program);
  for (const std::string& argument : arguments)
    out += (argument.starts_with('-') ? " \\\n  " : " ") + shell_quoted(argument);
  return out + "\n";
}

}  // namespace ktrial::vm
