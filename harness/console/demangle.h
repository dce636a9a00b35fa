// Names as the source has them, of symbols that a compiler mangled.
#pragma once

#include <string>
#include <string_view>

namespace ktrial::console {

// "_RNvMs3_NtCs..._4bind7processNtB5_7Process3get" -> "<bind::process::Process>::get"; C++ and
// Rust's old scheme alike, without parameters and hashes. Any other symbol, and one that is not
// well formed, comes back as it is. Bounded in time and size.
std::string demangle(std::string_view symbol);

}  // namespace ktrial::console
