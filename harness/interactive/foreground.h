// A program that has the user's terminal to itself: a debugger.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::interactive {

// In our process group, with our standard streams. Serves `io` until it has ended; what the
// terminal sends by Ctrl-C is its alone meanwhile. Its exit status, 128 + N if signal N ended it.
Result<int> run_in_foreground(boost::asio::io_context& io, const std::filesystem::path& program,
                              const std::vector<std::string>& arguments);

}  // namespace ktrial::interactive
