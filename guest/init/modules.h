// Kernel modules that the host packed, in the order it wrote down.
#pragma once

#include <string>
#include <vector>

namespace ktrial::init {

// Loads each uncompressed .ko that `order_file` names (one path a line).
// Returns one line for each that would not load; the caller decides what that
// means: a channel driver that fails shows as a channel that does not come up.
std::vector<std::string> load_modules(const std::string& order_file);

}  // namespace ktrial::init
