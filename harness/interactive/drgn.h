// drgn on the memory of a failed trial: its core file, or the machine that it kept.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "harness/base/result.h"

namespace ktrial::interactive {

struct DrgnOptions {
  std::filesystem::path symbols;  // cache
  std::string code;               // Python to run instead of a prompt; empty: a prompt
  std::filesystem::path script;   // a file of it; empty: none
  std::function<void(std::string_view)> say;
};

// drgn's exit status. `artifacts`: the trial's folder.
Result<int> run_drgn(boost::asio::io_context& io, const std::filesystem::path& artifacts,
                     const DrgnOptions& options);

}  // namespace ktrial::interactive
