#pragma once

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace ktrial {

// $HOME, else what the system's user database says: cron jobs and containers may not set it. Empty
// if neither names an absolute path.
inline std::filesystem::path home_dir() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return home;
  const passwd* entry = ::getpwuid(::geteuid());
  return entry != nullptr && entry->pw_dir != nullptr && *entry->pw_dir == '/' ? entry->pw_dir : "";
}

}  // namespace ktrial
