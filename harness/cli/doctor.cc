// `ktrial doctor`: each thing that a trial needs or would like, whether it is
// there, and the command that mends it.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <fstream>
#include <thread>

#include "harness/base/child.h"
#include "harness/base/host_cpus.h"
#include "harness/base/text.h"
#include "harness/channel/channel.h"
#include "harness/cli/commands.h"
#include "harness/cli/engine_choice.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "harness/cli/trial_flags.h"
#include "harness/engine/hosts/probe.h"
#include "harness/engine/slurm/commands.h"
#include "harness/engine/slurm/slurm_engine.h"
#include "harness/kernel/kernel.h"
#include "harness/root/file_server.h"
#include "harness/spec/workload.h"
#include "harness/trial/plan.h"
#include "harness/vm/libvirt/host_facts.h"
#include "harness/vm/libvirt/libvirt_vm.h"
#include "harness/vm/qemu/qemu_vm.h"

namespace ktrial::cli {
namespace {

enum class Level { good, optional_missing, missing };

struct Checkup {
  bool colour = text_options().color;
  int missing = 0;

  void say(Level level, const std::string& what, const std::string& mend = "") {
    static constexpr const char* kMarks[] = {"ok", "note", "MISSING"};
    static constexpr const char* kColours[] = {"\033[32m", "\033[33m", "\033[31m"};
    const auto i = static_cast<std::size_t>(level);
    missing += level == Level::missing;
    to_stdout("{}{:<8}{}{}\n", colour ? kColours[i] : "", kMarks[i], colour ? "\033[0m" : "", what);
    if (!mend.empty()) to_stdout("          -> {}\n", mend);
  }
  void say(Level level, const Error& error) { say(level, error.message, error.hint); }
};

void check_kvm(Checkup& checkup) {
  const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    const bool absent = errno == ENOENT;
    checkup.say(Level::optional_missing,
                std::string("KVM: /dev/kvm ") + (absent ? "does not exist" : "may not be opened") +
                    "; trials run under TCG, some ten times slower",
                absent ? "enable virtualisation in the firmware, then `modprobe kvm_intel` or "
                         "`modprobe kvm_amd`"
                       : "`sudo usermod -aG kvm $USER`, then log in again");
    return;
  }
  ::close(fd);
  std::string note = "KVM: /dev/kvm opens; each kernel is tried under it before it is believed";
  std::error_code error;
  if (std::filesystem::exists("/sys/module/kvm_pvm", error))
    return checkup.say(Level::optional_missing,
                       "KVM: the module is kvm_pvm, which opens but seldom boots a stock kernel; "
                       "trials then run under TCG",
                       "use a host with kvm_intel or kvm_amd");
  checkup.say(Level::good, note);
}

void check_qemu(Checkup& checkup) {
  const auto qemu = vm::find_qemu();
  if (!qemu) return checkup.say(Level::missing, qemu.error());
  checkup.say(Level::good, "QEMU " + qemu->version + " at " + qemu->program.string());
  const auto major = to_number<int>(qemu->version.substr(0, qemu->version.find('.')));
  if (major && *major < 10)
    checkup.say(Level::optional_missing,
                "QEMU before 10, under TCG: boots are lost, with 7.2 6 of 184 of Linux 6.19, where "
                "10.0 lost none of 154; they are booted once more",
                "use a newer QEMU (Debian 13 has 10.0), or KVM");
}

// What --root is served and made by.
void check_roots(Checkup& checkup) {
  if (const auto server = root::find_file_server(::geteuid() == 0))
    checkup.say(Level::good, "--root host: " + server->version + " at " + server->path.string());
  else
    checkup.say(
        Level::optional_missing,
        {server.error().kind, "--root host: " + server.error().message, server.error().hint});
  const struct {
    const char *program, *what, *mend;
  } tools[] = {
      {"sqfstar", "--root TARBALL then lies in the guest's RAM", "apt install squashfs-tools"},
      {"mmdebstrap", "no --root debian:SUITE", "apt install mmdebstrap uidmap"},
      {"busybox", "no --root minimal", "apt install busybox-static"}};
  for (const auto& [program, what, mend] : tools)
    if (!find_program(program))
      checkup.say(Level::optional_missing, std::string(program) + " is not there: " + what, mend);
}

void check_channels(Checkup& checkup) {
  for (auto kind : {channel::Kind::vhost_vsock, channel::Kind::vhost_user_vsock,
                    channel::Kind::virtio_serial}) {
    if (auto error = channel::why_unusable(kind)) {
      checkup.say(Level::optional_missing, {error->kind, "channel " + error->message, error->hint});
      continue;
    }
    std::string version;
    if (kind == channel::Kind::vhost_user_vsock) version = channel::vsock_daemon_version();
    checkup.say(Level::good, std::string("channel ") + channel::name(kind) +
                                 (version.empty() ? "" : " (" + version + ")"));
    if (channel::vsock_daemon_loses_large_writes(version))
      checkup.say(Level::optional_missing,
                  version +
                      " loses a stream on which a guest of Linux 6.12.117, 6.17 or later "
                      "writes more than 28 KiB at once; ktrial's own agent writes less",
                  "a program of yours that uses vsock in the guest has to write at most 16 KiB at "
                  "once; what the host writes may be larger");
  }
}

void check_libvirt(Checkup& checkup) {
  boost::asio::io_context io;
  auto found = vm::find_libvirt(io, "");
  if (!found)
    return checkup.say(
        Level::optional_missing,
        {ErrorKind::environment, "--vmm libvirt: " + found.error().message, found.error().hint});
  const auto kvm = vm::libvirt_offers_kvm(io, *found);
  const bool opens = ::access("/dev/kvm", R_OK | W_OK) == 0;
  checkup.say(Level::good, fmt::format("--vmm libvirt: {} has libvirt {} and QEMU {}, {} KVM",
                                       found->uri, found->libvirt_version, found->qemu_version,
                                       kvm && *kvm ? "with" : "without"));
  if (found->local && opens && !(kvm && *kvm))
    checkup.say(Level::optional_missing,
                "--vmm libvirt: slow, half a minute before each domain: /dev/kvm opens but QEMU "
                "cannot use it, so libvirt examines QEMU anew each time",
                "take the rights to /dev/kvm from libvirtd, or use --vmm qemu");
}

void check_space(Checkup& checkup, const std::filesystem::path& cache) {
  std::error_code error;
  auto folder = cache;
  while (!std::filesystem::exists(folder, error) && folder.has_parent_path() &&
         folder != folder.parent_path())
    folder = folder.parent_path();
  struct statvfs info{};
  if (::statvfs(folder.c_str(), &info) != 0) return;
  const double gib =
      static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize) / (1u << 30);
  checkup.say(gib < 1 ? Level::missing : Level::good,
              fmt::format("disk: {:.1f} GiB free for {}", gib, cache.string()),
              gib < 1 ? "free some space, or set XDG_CACHE_HOME and XDG_STATE_HOME elsewhere" : "");
}

Result<int> doctor() {
  Checkup checkup;
  check_qemu(checkup);
  check_kvm(checkup);
  check_channels(checkup);
  check_roots(checkup);
  check_libvirt(checkup);
  if (auto payload = trial::find_payload()) {
    if (auto workloads = spec::list_workloads(*payload / "workloads"))
      checkup.say(Level::good, fmt::format("guest payload in {}: {} workloads", payload->string(),
                                           workloads->size()));
    else
      checkup.say(Level::missing, workloads.error());
  } else {
    checkup.say(Level::missing, payload.error());
  }
  if (auto cache = kernel::default_cache_dir())
    check_space(checkup, *cache);
  else
    checkup.say(Level::missing, cache.error());
  checkup.say(find_program("apt-get") ? Level::good : Level::optional_missing,
              "apt-get, for kernels named deb:PACKAGE",
              find_program("apt-get") ? "" : "name kernels by file instead");
  const int cpus = host_cpus(), there = static_cast<int>(std::thread::hardware_concurrency());
  checkup.say(Level::good,
              fmt::format("{} {} for ktrial{}; more vCPUs than that run, but slower", cpus,
                          cpus == 1 ? "CPU" : "CPUs",
                          cpus < there ? fmt::format(" of the host's {}", there) : ""));
  to_stdout("\n{}\n", checkup.missing == 0 ? "ktrial can work here."
                                           : "ktrial cannot work here yet: see MISSING above.");
  return checkup.missing == 0 ? 0 : 128;
}

struct DoctorFlags {
  EngineFlags engine;
  std::string results, host;
};

// What a host of a pool has, for a program.
Result<int> doctor_of_host(const std::string& uri) {
  boost::asio::io_context io;
  const auto host = vm::libvirt_host(io, uri);
  to_stdout("{}\n", engine::hosts::document_of(uri, host).dump(
                        -1, ' ', false, results::Json::error_handler_t::replace));
  return host ? 0 : exit_code(host.error().kind);
}

std::string said_of(const vm::LibvirtHost& host, const std::string& qemu_version) {
  std::string out = fmt::format("{}, {} CPUs", host.name, host.cpus);
  if (host.others_cpus) out += fmt::format(" ({:.1f} busy with others)", *host.others_cpus);
  out += fmt::format(", {} MiB", host.memory_mib);
  if (host.free_mib) out += fmt::format(" ({} free)", *host.free_mib);
  return out + fmt::format(", libvirt {}, QEMU {}", host.libvirt_version, qemu_version);
}

Result<int> doctor_of_hosts(const DoctorFlags& flags) {
  const auto fleet = KTRIAL_TRY(fleet_of(flags.engine));
  if (fleet.hosts.empty())
    return usage_error("no host is named",
                       "name them in the fleet file: [hosts] uris = [\"qemu+ssh://lab1/system\"]");
  Checkup checkup;
  boost::asio::io_context io;
  for (const std::string& uri : fleet.hosts) {
    const auto bad = [&](const Error& error) {
      checkup.say(Level::missing, {error.kind, uri + ": " + error.message, error.hint});
    };
    const auto host = vm::libvirt_host(io, uri);
    if (!host) {
      bad(host.error());
      continue;
    }
    const auto install = vm::find_libvirt(io, uri);
    if (!install) {
      bad(install.error());
      continue;
    }
    checkup.say(Level::good, uri + ": " + said_of(*host, install->qemu_version));
    if (!host->others_cpus)
      checkup.say(Level::optional_missing,
                  uri +
                      ": its libvirt does not tell how busy it is: it gets as many jobs as it has "
                      "CPUs for");
  }
  return checkup.missing == 0 ? 0 : 128;
}

// What its scheduler has, and what a node says of itself.
Result<int> doctor_of_slurm(const DoctorFlags& flags) {
  const auto fleet = KTRIAL_TRY(fleet_of(flags.engine));
  Checkup checkup;
  const auto room = engine::slurm::room_of(fleet.slurm);
  if (!room) return std::unexpected(room.error());
  checkup.say(Level::good, fmt::format("Slurm: {} CPUs and {} MiB on nodes that are up",
                                       room->vcpus, room->memory_mib));
  std::error_code error;
  const auto results = std::filesystem::absolute(results_dir(flags.results), error);
  const auto seen =
      engine::check_node(fleet.slurm, results.lexically_normal(),
                         [](const std::string& text) { to_stderr("ktrial: {}\n", text); });
  if (!seen) return std::unexpected(seen.error());
  std::string_view said = seen->said;
  const bool ran = seen->exit == 0 || said.contains("ktrial can");
  checkup.say(ran ? Level::good : Level::missing,
              fmt::format("a task on node {} {} {}", seen->node,
                          fleet.slurm.courier.used() ? "reaches" : "sees", results.string()) +
                  (ran ? ", and runs ktrial there; it says:" : ", but cannot run ktrial there:"),
              ran ? "" : "name ktrial's path on the nodes: slurm.program in the fleet file");
  while (const auto line = take_line(said)) to_stdout("    {}\n", *line);
  if (seen->exit != 0) ++checkup.missing;
  to_stdout("\n{}\n", checkup.missing == 0 ? "ktrial can work on this cluster."
                                           : "ktrial cannot work on this cluster yet.");
  return checkup.missing == 0 ? 0 : 128;
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("doctor", "What is missing on this host, and how to mend it");
  const auto flags = std::make_shared<DoctorFlags>();
  add_engine_options(*command, flags->engine);
  command->add_option("--results", flags->results,
                      "Of a cluster: the folder that all nodes see, or that files are carried to "
                      "[$XDG_STATE_HOME/ktrial]");
  command->add_option(
      "--host", flags->host,
      "What one host with libvirt has, and how busy it is, by its URI; a line of JSON");
  command->footer(
      "Examples:\n  ktrial doctor\n  ktrial doctor --engine slurm --results /shared/ktrial     one "
      "small task through the queue\n  ktrial doctor --engine hosts\n  ktrial doctor --host "
      "qemu+ssh://lab1/system\n\nExit status: 0 when a trial can run, 128 when something necessary "
      "is missing or a host does not answer.");
  command->callback([&action, flags] {
    action = [flags] {
      if (!flags->host.empty()) return doctor_of_host(flags->host);
      if (flags->engine.engine == "slurm") return doctor_of_slurm(*flags);
      return flags->engine.engine == "hosts" ? doctor_of_hosts(*flags) : doctor();
    };
  });
}

}  // namespace ktrial::cli
