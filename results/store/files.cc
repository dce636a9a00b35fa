#include "results/store/files.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace ktrial::results {
namespace fs = std::filesystem;

std::unexpected<Error> errno_error(const std::string& what, int errno_value) {
  Error error{Error::Kind::environment, what + ": " + std::generic_category().message(errno_value)};
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      error.hint = "free some space there, or choose another place with --results DIR";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
      error.hint = "choose a folder that you may write to with --results DIR";
      break;
    default:
      break;
  }
  return std::unexpected(std::move(error));
}

Result<File> open_file(const fs::path& path, int flags) {
  File file(::open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (!file) return errno_error("open " + path.string(), errno);
  return file;
}

Status write_all(const File& file, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("write " + path.string(), errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::string> read_whole(const fs::path& path, std::size_t limit) {
  File file = RESULTS_TRY(open_file(path, O_RDONLY));
  std::string out;
  char buffer[1 << 16];
  for (;;) {
    ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path.string(), errno);
    if (n == 0) return out;
    if (out.size() + static_cast<std::size_t>(n) > limit)
      return errno_error("read " + path.string(), EFBIG);
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

namespace {
constexpr std::string_view kTemporary = ".ktrial-tmp.";

Status write_then_rename(const fs::path& temporary, const fs::path& path, std::string_view bytes) {
  File file = RESULTS_TRY(open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC));
  RESULTS_TRY(write_all(file, bytes, path));
  if (::fsync(file.get()) != 0) return errno_error("write " + path.string(), errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return errno_error("write " + path.string(), errno);
  // The new name must survive a power cut too.
  File folder = RESULTS_TRY(open_file(path.parent_path(), O_RDONLY | O_DIRECTORY));
  ::fsync(folder.get());  // Not every file system can; the content is already safe.
  return {};
}
}  // namespace

Status replace_file(const fs::path& path, std::string_view bytes) {
  const fs::path temporary =
      path.parent_path() /
      (std::string(kTemporary) + path.filename().string() + "." + std::to_string(::getpid()));
  Status status = write_then_rename(temporary, path, bytes);
  if (!status) ::unlink(temporary.c_str());
  return status;
}

bool is_temporary(const fs::path& path) { return path.filename().string().starts_with(kTemporary); }

}  // namespace ktrial::results
