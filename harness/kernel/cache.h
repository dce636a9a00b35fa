// The size of the cache. Below CACHE, the folders deb/, headers/, build/, build/objects/,
// sources/, bundles/ and images/ hold entries, one folder each.
//
// An entry goes when the whole is larger than the bound: the one that was not
// used for longest first, never one that was used in the last hour, which a
// running trial may need. ktrial fetches or builds it again when it is wanted.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::kernel {

// What cannot be looked at counts as not there.
inline bool has_path(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

struct CacheEntry {
  std::filesystem::path path;
  std::uint64_t bytes = 0;  // on disk
  std::filesystem::file_time_type last_used;
};

// All entries, the one used last first. An unreadable one counts 0 bytes.
std::vector<CacheEntry> cache_entries(const std::filesystem::path& cache_dir);

// The folders of the entries of one kind ("deb"), in no order. Without their sizes: cheap.
std::vector<std::filesystem::path> entry_folders(const std::filesystem::path& cache_dir,
                                                 const std::string& kind);

// Makes CACHE/KIND/NAME: `fill` writes into a private folder, which gets its name when it
// is complete; then the others are trimmed to cache_bound(). One process at a time: the
// caller holds a lock. What a killed one left is swept by the next.
Status make_entry(const std::filesystem::path& entry,
                  const std::function<Status(const std::filesystem::path& folder)>& fill);

// Notes that the entry is used now.
void mark_used(const std::filesystem::path& entry);

// $KTRIAL_CACHE_SIZE ("20G"), else 20 GiB; in bytes. ErrorKind::usage when the
// variable is no size.
Result<std::uint64_t> cache_bound();

inline constexpr std::chrono::hours kInUse{1};

// Removes entries until the rest fits into `bound` bytes; what was removed.
// Entries younger than kInUse before `now`, or locked by another ktrial, stay.
std::vector<CacheEntry> trim_cache(
    const std::filesystem::path& cache_dir, std::uint64_t bound,
    std::filesystem::file_time_type now = std::filesystem::file_time_type::clock::now());

}  // namespace ktrial::kernel
