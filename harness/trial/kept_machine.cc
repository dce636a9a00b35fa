#include "harness/trial/kept_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "harness/autopsy/examine.h"
#include "harness/autopsy/inspector.h"
#include "harness/base/file.h"
#include "harness/vm/qemu/qemu_vm.h"

namespace ktrial::trial {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

bool may_have_failed(const verdict::Ending& ending) {
  if (std::holds_alternative<verdict::Interrupted>(ending)) return false;
  const auto* result = std::get_if<verdict::AgentResult>(&ending);
  return result == nullptr || result->exit.value != 0;
}

std::string describe(const vm::VmConfig& config, const Plan& plan) {
  const auto* ports = std::get_if<vm::VirtioSerialPorts>(&config.channel);
  Json out = {{"schema", 1},
              {"arch", config.arch->name},
              {"machine", config.machine->name},
              {"cpus", config.cpus},
              {"memory_mib", config.memory_mib},
              {"accel", vm::name(config.accel)},
              {"one_thread", config.one_thread},
              {"socket_for_plug", config.socket_for_plug},
              {"ports", ports != nullptr ? ports->names : std::vector<std::string>()},
              {"qemu", plan.host_facts.qemu}};
  return out.dump(2) + "\n";
}

Result<vm::VmConfig> read_machine(const fs::path& artifacts) {
  const fs::path file = artifacts / kMachineJson;
  const auto text = read_file(file, 1 << 20);
  if (!text)
    return usage_error("no machine was kept in " + artifacts.string(),
                       "`ktrial run --keep-machine` keeps those of trials that fail");
  const Json json = Json::parse(*text, nullptr, false);
  const auto wrong = [&](const std::string& what) {
    return fail(ErrorKind::protocol, file.string() + ": " + what);
  };
  if (!json.is_object()) return wrong("is no JSON object");
  try {
    vm::VmConfig config{.name = "ktrial"};
    const std::string arch = json.at("arch"), machine = json.at("machine");
    if (arch != config.arch->name) return wrong("a machine of another architecture, " + arch);
    config.machine = config.arch->machine(machine);
    if (config.machine == nullptr) return wrong("an unknown machine, " + machine);
    config.cpus = json.at("cpus");
    config.memory_mib = json.at("memory_mib");
    if (config.cpus < 1 || config.cpus > spec::kMaxCpus || config.memory_mib < 1 ||
        config.memory_mib > spec::kMaxMemoryMib)
      return wrong("cpus or memory_mib is out of bounds");
    config.accel = json.at("accel") == vm::name(vm::Accel::kvm) ? vm::Accel::kvm : vm::Accel::tcg;
    config.one_thread = json.at("one_thread");
    config.socket_for_plug = json.at("socket_for_plug");
    const std::vector<std::string> ports = json.at("ports");
    if (!ports.empty()) config.channel = vm::VirtioSerialPorts{ports};
    return config;
  } catch (const Json::exception& error) {
    return wrong(error.what());
  }
}

}  // namespace

std::optional<vm::SavedState> place_for_machine(const Plan& plan, const fs::path& artifacts) {
  if (!plan.spec.keep_machine) return std::nullopt;
  return vm::SavedState{{}, artifacts / kMachineFile};
}

void keep_machine(const Scene& scene, const vm::VmConfig& config) {
  vm::Resumable* machine = scene.vm.resumable();
  if (!scene.plan.spec.keep_machine || !may_have_failed(scene.evidence.ending)) return;
  const auto lost = [&](const std::string& why) {
    scene.context.observer.on_event("machine-lost", why);
    scene.record.facts.emplace_back("machine.lost", why);
  };
  if (scene.monitor.vm_ended()) return lost("it ended by itself");
  if (machine == nullptr) return lost("it cannot be saved");
  const auto patience = spec::host_wait(spec::HostWait::template_save);
  if (auto paused = scene.vm.pause(patience); !paused) return lost(paused.error().message);
  if (auto saved = machine->save(patience); !saved) return lost(saved.error().message);
  if (auto told =
          write_file_atomically(scene.artifacts / kMachineJson, describe(config, scene.plan));
      !told)
    return lost(told.error().message);
  scene.record.facts.emplace_back("machine.kept", kMachineFile);
}

void settle_kept_machine(const fs::path& artifacts, bool failed) {
  std::error_code error;
  if (failed && fs::exists(artifacts / kMachineJson, error)) return;
  for (const char* name : {kMachineFile, kMachineJson}) fs::remove(artifacts / name, error);
}

void bound_kept_machines(const fs::path& store, std::uint64_t most) {
  struct Kept {
    fs::file_time_type at;
    fs::path folder;
    std::uint64_t bytes = 0;
  };
  std::vector<Kept> kept;
  std::error_code error;
  for (fs::recursive_directory_iterator it(store / "runs", error), end; !error && it != end;
       it.increment(error)) {
    if (it.depth() > 4) it.disable_recursion_pending();
    if (it->path().filename() != kMachineJson) continue;
    const fs::path folder = it->path().parent_path();
    std::error_code ignored;
    const auto bytes = fs::file_size(folder / kMachineFile, ignored);
    kept.push_back({fs::last_write_time(it->path(), ignored), folder, ignored ? 0 : bytes});
  }
  std::ranges::sort(kept, std::greater(), &Kept::at);
  std::uint64_t sum = 0;
  for (const Kept& one : kept)
    if ((sum += one.bytes) > most) settle_kept_machine(one.folder, false);
}

Result<std::unique_ptr<vm::Vm>> load_kept_machine(boost::asio::io_context& io,
                                                  const fs::path& artifacts) {
  vm::VmConfig config = KTRIAL_TRY(read_machine(artifacts));
  config.resume = vm::ResumeFrom{.state = {{}, artifacts / kMachineFile},
                                 .patience = spec::host_wait(spec::HostWait::template_save),
                                 .stay_paused = true};
  const auto qemu = KTRIAL_TRY(vm::find_qemu({}, *config.arch));
  auto machine = KTRIAL_TRY(vm::make_qemu_vm(io, qemu, config));
  KTRIAL_TRY(machine->start([](const vm::VmEvent&) {}));
  return machine;
}

autopsy::Autopsy look_at(boost::asio::io_context& io, vm::Vm& machine, const OpenOptions& options) {
  SteadyClock clock(io);
  autopsy::HostWatch host(0);
  return autopsy::examine({.clock = clock,
                           .vm = machine,
                           .host = host,
                           .let_run = [](auto) { return false; },
                           .inspect =
                               [&](vm::GuestRam ram) {
                                 return autopsy::make_inspector(std::move(ram), options.symbols);
                               },
                           .core = options.core,
                           .monitor_patience = spec::host_wait(spec::HostWait::template_save),
                           .stands_still = true});
}

Result<autopsy::Autopsy> open_kept_machine(boost::asio::io_context& io, const fs::path& artifacts,
                                           const OpenOptions& options) {
  const auto machine = KTRIAL_TRY(load_kept_machine(io, artifacts));
  return look_at(io, *machine, options);
}

}  // namespace ktrial::trial
