#include "harness/kernel/nearby.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

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

// Its hash.
Result<std::string> copied(const fs::path& from, const fs::path& to) {
  const Fd source = KTRIAL_TRY(open_file(from, O_RDONLY));
  const Fd target = KTRIAL_TRY(open_file(to, O_WRONLY | O_CREAT | O_EXCL));
  Sha256 digest;
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const ssize_t n = ::read(source.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + from.string(), errno);
    if (n == 0) return digest.hex();
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
    digest.add(bytes);
    KTRIAL_TRY(write_all(target.get(), bytes, to));
  }
}

Status fill(const fs::path& folder, const fs::path& image, const std::string& key) {
  const std::string hash = KTRIAL_TRY(copied(image, folder / kNearImage));
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
