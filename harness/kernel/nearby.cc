#include "harness/kernel/nearby.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "harness/base/file.h"
#include "harness/base/host_files.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/lock.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr const char* kNearImage = "image";
constexpr const char* kNearHash = "sha256";

std::string identity(const fs::path& image) {
  std::error_code error;
  const fs::path real = fs::canonical(image, error);
  struct stat info{};
  if (error || ::stat(real.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  return sha256(fmt::format("{} {} {} {}.{:09} {}.{:09}", real.string(), info.st_ino, info.st_size,
                            info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec,
                            info.st_ctim.tv_nsec));
}

Status fill(const fs::path& folder, const fs::path& image, const std::string& key) {
  const fs::path copy = folder / kNearImage;
  KTRIAL_TRY(replace_with_copy(image, copy));
  const std::string hash = KTRIAL_TRY(sha256_file(copy));
  if (identity(image) != key)
    return fail(ErrorKind::environment, image.string() + " was written while it was copied");
  return write_file_atomically(folder / kNearHash, hash);
}

}  // namespace

bool is_elsewhere(const fs::path& folder) { return !is_own_folder(folder); }

std::optional<Nearby> nearby(const fs::path& cache_dir, const fs::path& image, std::stop_token stop,
                             const Elsewhere& elsewhere) {
  std::error_code error;
  const fs::path images = cache_dir / "images";
  if (cache_dir.empty() || !elsewhere(image)) return std::nullopt;
  const std::string key = identity(image);
  fs::create_directories(images, error);
  if (key.empty() || error || elsewhere(images)) return std::nullopt;
  const fs::path entry = images / key;
  if (!has_path(entry)) {
    const auto lock = FileLock::acquire(entry.string() + ".lock", stop);
    if (!lock) return std::nullopt;
    if (!has_path(entry))  // somebody else may have been faster
      if (!make_entry(entry, [&](const fs::path& folder) { return fill(folder, image, key); }))
        return std::nullopt;
  }
  const auto hash = read_file(entry / kNearHash);
  if (!hash) return std::nullopt;
  mark_used(entry);
  return Nearby{entry / kNearImage, *hash};
}

}  // namespace ktrial::kernel
