#include "harness/vm/qemu/saved_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <thread>

#include "harness/base/file.h"
#include "harness/vm/private_pages.h"
#include "harness/vm/qemu/argv.h"

namespace ktrial::vm {
using nlohmann::json;
using std::chrono::milliseconds;

namespace {

Result<Fd> new_ram(std::uint64_t bytes) {
  Fd fd(::memfd_create("ktrial-ram", MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create", errno);
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
    return fail_errno("guest RAM of " + std::to_string(bytes >> 20) + " MiB", errno);
  return fd;
}

// Asks until `over`, which may fail.
Status ask_until(Qmp& qmp, const char* command, milliseconds patience,
                 const std::function<Result<bool>(const json&)>& over) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const json answer = KTRIAL_TRY(qmp.execute(command, nullptr, patience));
    if (KTRIAL_TRY(over(answer))) return {};
    if (std::chrono::steady_clock::now() >= deadline)
      return fail(ErrorKind::environment, std::string("the machine's state: no end of it, ") +
                                              command + " says " + answer.dump());
    std::this_thread::sleep_for(milliseconds(1));
  }
}

// RAM in a shared file of its own is not written to the state.
Status set_ram_apart(Qmp& qmp, bool apart, milliseconds patience) {
  const json capability = {{"capability", "x-ignore-shared"}, {"state", apart}};
  KTRIAL_TRY(qmp.execute("migrate-set-capabilities",
                         json{{"capabilities", json::array({capability})}}, patience));
  return {};
}

// A vhost-user device, of a daemon that listens at `socket`.
Status plug_in(Qmp& qmp, const std::filesystem::path& socket, json device, const Ram& ram,
               milliseconds patience) {
  if (!ram.shared)
    return fail(ErrorKind::internal, "a vhost-user device over RAM that it cannot see");
  const json address = {{"type", "unix"}, {"data", {{"path", socket.string()}}}};
  const json connection = {{"addr", address}, {"server", false}};
  const json backend = {{"type", "socket"}, {"data", connection}};
  KTRIAL_TRY(qmp.execute("chardev-add", json{{"id", "plugged"}, {"backend", backend}}, patience));
  device["id"] = "plugged0";
  device["chardev"] = "plugged";
  device["bus"] = kSocketForPlug;
  KTRIAL_TRY(qmp.execute("device_add", device, patience));
  return {};
}

Status plug_in(Qmp& qmp, const ResumeFrom& from, const Ram& ram) {
  if (const auto* vsock = std::get_if<VhostUserVsockDevice>(&from.plug))
    return plug_in(qmp, vsock->socket, {{"driver", "vhost-user-vsock-pci"}}, ram, from.patience);
  if (const auto* files = std::get_if<VirtiofsDevice>(&from.plug))
    return plug_in(qmp, files->socket, {{"driver", "vhost-user-fs-pci"}, {"tag", files->tag}}, ram,
                   from.patience);
  return {};
}

// `command` with the file of `fd`, open for what QEMU does with it. QEMU has `file:` since 8.2, and
// no `fd:` for files from 11 on.
Status migrate(Qmp& qmp, const char* command, int fd, milliseconds patience) {
  KTRIAL_TRY(qmp.pass("add-fd", {{"fdset-id", 0}}, fd, patience));
  const auto by_file = qmp.execute(command, json{{"uri", "file:/dev/fdset/0"}}, patience);
  if (by_file) return {};
  if (by_file.error().message.find("migration protocol") == std::string::npos)
    return std::unexpected(by_file.error());
  KTRIAL_TRY(qmp.pass("getfd", {{"fdname", "state"}}, fd, patience));
  KTRIAL_TRY(qmp.execute(command, json{{"uri", "fd:state"}}, patience));
  return {};
}

}  // namespace

Result<Ram> ram_for(const VmConfig& config) {
  const std::uint64_t bytes = config.memory_mib << 20;
  if (config.resume && !config.resume->state.ram.empty()) {
    Fd file = KTRIAL_TRY(open_file(config.resume->state.ram, O_RDONLY | O_CLOEXEC));
    if (!config.resume->plugs()) return Ram{std::move(file), false};
    return Ram{KTRIAL_TRY(copy_of_ram(file.get(), bytes)), true};
  }
  if (config.keep && !config.keep->ram.empty()) {
    Fd file = KTRIAL_TRY(open_file(config.keep->ram, O_RDWR | O_CLOEXEC));
    if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0)
      return fail_errno(config.keep->ram.string(), errno);
    return Ram{std::move(file), true};
  }
  return Ram{KTRIAL_TRY(new_ram(bytes)), true};
}

Result<StateFiles> open_state_files(const VmConfig& config) {
  StateFiles out;
  if (config.keep)
    out.keep = KTRIAL_TRY(open_file(config.keep->devices, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (config.resume)
    out.resume = KTRIAL_TRY(open_file(config.resume->state.devices, O_RDONLY | O_CLOEXEC));
  return out;
}

Status save_state(Qmp& qmp, int fd, bool ram_is_apart, milliseconds patience) {
  constexpr std::uint64_t kFast = 64ull << 30;  // bytes a second: no limit
  KTRIAL_TRY(set_ram_apart(qmp, ram_is_apart, patience));
  KTRIAL_TRY(qmp.execute("migrate-set-parameters", json{{"max-bandwidth", kFast}}, patience));
  KTRIAL_TRY(migrate(qmp, "migrate", fd, patience));
  return ask_until(qmp, "query-migrate", patience, [](const json& answer) -> Result<bool> {
    const std::string status = answer.value("status", "none");
    if (status == "failed" || status == "cancelled")
      return fail(ErrorKind::environment,
                  "the machine's state cannot be saved: " + answer.value("error-desc", status));
    return status == "completed";
  });
}

Status resume_state(Qmp& qmp, int fd, const ResumeFrom& from, const Ram& ram) {
  KTRIAL_TRY(set_ram_apart(qmp, !from.state.ram.empty(), from.patience));
  KTRIAL_TRY(migrate(qmp, "migrate-incoming", fd, from.patience));
  KTRIAL_TRY(ask_until(qmp, "query-status", from.patience, [](const json& answer) -> Result<bool> {
    const std::string status = answer.value("status", "");
    return status != "inmigrate" && status != "prelaunch";
  }));
  KTRIAL_TRY(plug_in(qmp, from, ram));
  if (from.stay_paused) return {};
  KTRIAL_TRY(qmp.execute("cont", nullptr, from.patience));
  return {};
}

}  // namespace ktrial::vm
