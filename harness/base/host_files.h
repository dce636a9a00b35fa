// Which files are of this host alone.
#pragma once

#include <filesystem>

namespace ktrial {

// A type of statfs(2): no other host writes there.
bool is_own_file_system(long type);
// False, too, where it cannot be told.
bool is_own_folder(const std::filesystem::path& folder);

}  // namespace ktrial
