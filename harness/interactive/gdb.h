// gdb on a guest: one that failed and was kept, or one that just booted. What a gdb does reaches a
// copy only, and leaving it never lets the guest run.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"
#include "harness/vm/vm.h"

namespace ktrial::interactive {

struct GdbOptions {
  std::filesystem::path cache;         // downloads, symbols
  std::vector<std::string> arguments;  // more of gdb's own
  std::function<void(std::string_view)> say;
};

// What gdb is told at its start.
std::string gdb_script(const std::filesystem::path& socket, std::optional<unsigned> vcpu);

// gdb's exit status. `artifacts`: the trial's folder, which keeps a machine; `vcpu`: the one to
// begin with.
Result<int> gdb_kept(boost::asio::io_context& io, const std::filesystem::path& artifacts,
                     std::optional<unsigned> vcpu, const GdbOptions& options);
// Boots it to the agent's hello and stops it there; what spec names begins when it goes on.
Result<int> gdb_booted(boost::asio::io_context& io, const spec::TrialSpec& spec,
                       const GdbOptions& options);

}  // namespace ktrial::interactive
