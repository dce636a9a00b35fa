// The machine of a failed trial as it stood: kept in the trial's folder, loaded again as often as
// one likes. `machine` holds RAM and devices (QEMU's migration), `machine.json` what it is.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "harness/autopsy/autopsy.h"
#include "harness/trial/scene.h"

namespace ktrial::trial {

inline constexpr char kMachineFile[] = "machine", kMachineJson[] = "machine.json";

// Where a machine is saved that shall be kept; nothing: this one shall not.
std::optional<vm::SavedState> place_for_machine(const Plan& plan,
                                                const std::filesystem::path& artifacts);
// Stops it and keeps it, if the trial may have failed.
void keep_machine(const Scene& scene, const vm::VmConfig& config);
// After the verdict: of what did not fail nothing stays.
void settle_kept_machine(const std::filesystem::path& artifacts, bool failed);
// All that runs in `store` keep take `most` bytes; the oldest go first.
inline constexpr std::uint64_t kMostKept = 4ull << 30;
void bound_kept_machines(const std::filesystem::path& store, std::uint64_t most = kMostKept);

// Into a QEMU, paused. Nothing of what is kept changes, whatever becomes of the copy.
Result<std::unique_ptr<vm::Vm>> load_kept_machine(boost::asio::io_context& io,
                                                  const std::filesystem::path& artifacts);

struct OpenOptions {
  std::filesystem::path symbols;  // cache
  std::filesystem::path core;     // where a core file goes; empty: none is wanted
};
// Looks at a paused machine once; nothing in it goes on.
autopsy::Autopsy look_at(boost::asio::io_context& io, vm::Vm& machine, const OpenOptions& options);
// Both.
Result<autopsy::Autopsy> open_kept_machine(boost::asio::io_context& io,
                                           const std::filesystem::path& artifacts,
                                           const OpenOptions& options);

}  // namespace ktrial::trial
