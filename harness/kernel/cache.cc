#include "harness/kernel/cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "harness/base/file.h"
#include "harness/kernel/lock.h"
#include "harness/spec/parse.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKinds[] = {"deb",     "headers", "build", "build/objects",
                                  "sources", "bundles", "images"};
// Folders beside the entries that are none.
constexpr const char* kOthers[] = {"plan", "objects", "log"};
constexpr const char* kUsed = ".used";  // its modification time is the last use
constexpr const char* kDefaultBound = "20G";

std::uint64_t disk_use(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator
           it(folder, fs::directory_options::skip_permission_denied, error),
       end;
       !error && it != end; it.increment(error)) {
    struct stat info{};
    if (::lstat(it->path().c_str(), &info) == 0)
      bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

bool is_entry(const fs::directory_entry& entry) {
  std::error_code error;
  const fs::path& path = entry.path();
  return entry.is_directory(error) && !entry.is_symlink(error) && path.extension() != ".tmp" &&
         std::ranges::find(kOthers, path.filename()) == std::end(kOthers);
}

fs::file_time_type last_used(const fs::path& entry) {
  std::error_code error;
  const auto marked = fs::last_write_time(entry / kUsed, error);
  if (!error) return marked;
  const auto made = fs::last_write_time(entry, error);
  return error ? fs::file_time_type::min() : made;
}

// The name goes first: an interrupted removal leaves a *.tmp, which whoever makes
// the entry anew sweeps away.
bool remove_entry(const fs::path& entry) {
  auto lock = FileLock::try_acquire(entry.string() + ".lock");
  if (!lock) return false;
  const fs::path doomed = entry.string() + ".tmp";
  std::error_code error;
  fs::remove_all(doomed, error);
  fs::rename(entry, doomed, error);
  if (error) return false;
  fs::remove_all(doomed, error);
  return true;
}

}  // namespace

std::vector<fs::path> entry_folders(const fs::path& cache_dir, const std::string& kind) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator it(cache_dir / kind, error), end; !error && it != end;
       it.increment(error))
    if (is_entry(*it)) folders.push_back(it->path());
  return folders;
}

std::vector<CacheEntry> cache_entries(const fs::path& cache_dir) {
  std::vector<CacheEntry> entries;
  for (const char* kind : kKinds)
    for (const fs::path& folder : entry_folders(cache_dir, kind))
      entries.push_back({folder, disk_use(folder), last_used(folder)});
  std::ranges::sort(entries, std::greater{}, &CacheEntry::last_used);
  return entries;
}

Status make_entry(const fs::path& entry,
                  const std::function<Status(const fs::path& folder)>& fill) {
  const std::uint64_t bound = KTRIAL_TRY(cache_bound());
  const fs::path temporary = entry.string() + ".tmp";
  std::error_code error;
  fs::remove_all(temporary, error);
  fs::create_directories(temporary, error);
  if (error)
    return fail(ErrorKind::environment, "create " + temporary.string() + ": " + error.message(),
                "set XDG_CACHE_HOME to a folder that can be written");
  Status filled = fill(temporary);
  if (filled) {
    fs::remove_all(entry, error);
    fs::rename(temporary, entry, error);
    if (error) filled = fail_errno("rename " + temporary.string(), error.value());
  }
  if (!filled) {
    fs::remove_all(temporary, error);
    return filled;
  }
  trim_cache(entry.parent_path().parent_path(), bound);
  return {};
}

void mark_used(const fs::path& entry) {
  // Opening alone does not change the time of a file that is there.
  auto file = open_file(entry / kUsed, O_WRONLY | O_CREAT);
  if (file) ::futimens(file->get(), nullptr);
}

Result<std::uint64_t> cache_bound() {
  const char* text = ::getenv("KTRIAL_CACHE_SIZE");
  auto mib = spec::parse_size(text != nullptr && *text != 0 ? text : kDefaultBound);
  if (!mib) return std::unexpected(std::move(mib).error().in("KTRIAL_CACHE_SIZE"));
  return static_cast<std::uint64_t>(*mib) << 20;
}

std::vector<CacheEntry> trim_cache(const fs::path& cache_dir, std::uint64_t bound,
                                   fs::file_time_type now) {
  std::vector<CacheEntry> entries = cache_entries(cache_dir), removed;
  std::uint64_t total = 0;
  for (const CacheEntry& entry : entries) total += entry.bytes;
  while (total > bound && !entries.empty()) {
    CacheEntry oldest = std::move(entries.back());
    entries.pop_back();
    if (now - oldest.last_used < kInUse) break;
    if (!remove_entry(oldest.path)) continue;
    total -= oldest.bytes;
    removed.push_back(std::move(oldest));
  }
  return removed;
}

}  // namespace ktrial::kernel
