#include "harness/cli/engine_choice.h"

#include <unistd.h>

#include <filesystem>

#include "harness/cli/output.h"
#include "harness/engine/hosts/hosts_engine.h"
#include "harness/engine/local_engine.h"
#include "harness/engine/slurm/commands.h"
#include "harness/engine/slurm/slurm_engine.h"
#include "harness/spec/fleet.h"
#include "harness/spec/timeouts.h"

namespace ktrial::cli {
namespace fs = std::filesystem;
namespace {

constexpr double kAhead = 1.5;

void tell_stderr(const std::string& text) { to_stderr("ktrial: {}\n", text); }

Result<ChosenEngine> local(const EngineWish& wish, engine::Watcher watcher) {
  ChosenEngine out{.room = engine::room_here()};
  out.engine =
      KTRIAL_TRY(engine::local_engine({.at_a_time = wish.at_a_time,
                                       .room = out.room,
                                       .patience = spec::host_wait(spec::HostWait::job_end),
                                       .finish_first = wish.finish_first,
                                       .on_signal = wish.on_signal,
                                       .on_tick = wish.on_tick},
                                      std::move(watcher)));
  return out;
}

Result<ChosenEngine> slurm(const spec::Fleet& fleet, const EngineWish& wish,
                           engine::Watcher watcher) {
  ChosenEngine out{.room = KTRIAL_TRY(engine::slurm::room_of(fleet.slurm)), .ahead = kAhead};
  std::error_code error;
  const std::string id =
      wish.id.empty()
          ? fmt::format("{}-{}-{}", fs::path(wish.results).filename().string(),
                        std::chrono::system_clock::now().time_since_epoch().count(), ::getpid())
          : wish.id;
  out.engine = KTRIAL_TRY(
      engine::slurm_engine({.config = fleet.slurm,
                            .results = fs::absolute(wish.results, error).lexically_normal(),
                            .id = id,
                            .at_a_time = wish.at_a_time,
                            .finish_first = wish.finish_first,
                            .on_signal = wish.on_signal,
                            .on_tick = wish.on_tick,
                            .tell = wish.tell ? wish.tell : tell_stderr},
                           std::move(watcher)));
  return out;
}

Result<ChosenEngine> hosts(const spec::Fleet& fleet, const EngineWish& wish,
                           engine::Watcher watcher) {
  auto made = KTRIAL_TRY(engine::hosts_engine({.uris = fleet.hosts,
                                               .at_a_time = wish.at_a_time,
                                               .patience = spec::host_wait(spec::HostWait::job_end),
                                               .finish_first = wish.finish_first,
                                               .on_signal = wish.on_signal,
                                               .on_tick = wish.on_tick,
                                               .tell = wish.tell ? wish.tell : tell_stderr},
                                              std::move(watcher)));
  return ChosenEngine{std::move(made.engine), made.room, 1};
}

}  // namespace

void add_engine_options(CLI::App& command, EngineFlags& flags) {
  command
      .add_option("--engine", flags.engine, "Who runs the trials: local, slurm, or hosts [local]")
      ->check(CLI::IsMember({"local", "slurm", "hosts"}));
  command.add_option("--fleet", flags.fleet,
                     "What the fleet is (TOML), see docs/fleet.md [~/.config/ktrial/fleet.toml]");
}

Result<spec::Fleet> fleet_of(const EngineFlags& flags) {
  std::error_code error;
  if (!flags.fleet.empty()) return spec::load_fleet(flags.fleet);
  const fs::path file = spec::default_fleet_file();
  return fs::exists(file, error) ? spec::load_fleet(file) : spec::Fleet{};
}

Result<ChosenEngine> choose_engine(const EngineFlags& flags, const EngineWish& wish,
                                   engine::Watcher watcher) {
  if (flags.engine == "local") {
    if (!flags.fleet.empty())
      return usage_error("--fleet is of no use to --engine local",
                         "add --engine slurm or --engine hosts");
    return local(wish, std::move(watcher));
  }
  const auto fleet = KTRIAL_TRY(fleet_of(flags));
  return flags.engine == "slurm" ? slurm(fleet, wish, std::move(watcher))
                                 : hosts(fleet, wish, std::move(watcher));
}

}  // namespace ktrial::cli
