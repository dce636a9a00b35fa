// Whole-file helpers and the private temporary directory.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial {

// Opens with O_CLOEXEC; the error names the path.
Result<Fd> open_file(const std::filesystem::path& path, int flags, int mode = 0644);
// Reads at most `limit` bytes; a longer file is an error, not a short read.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 64u << 20);
// All bytes, or an error that names `path` if one is given.
Status write_all(int fd, std::string_view bytes, const std::filesystem::path& path = {});
// Replaces `path` in one step (temporary name, fsync, rename, fsync of the
// folder): a reader or a crash sees the old content or the new, never half of
// it. After an error nothing of the new content is left.
Status write_file_atomically(const std::filesystem::path& path, std::string_view bytes);
// Content and mode; replaces `to`, of which nothing is left after an error. std::filesystem's says
// EIO where the disk is full.
Status replace_with_copy(const std::filesystem::path& from, const std::filesystem::path& to);

// A directory of our own (mode 0700) below $XDG_RUNTIME_DIR, $TMPDIR or /tmp,
// removed with its content on destruction. Paths stay short enough for
// sockaddr_un (108 bytes).
class TempDir {
 public:
  static Result<TempDir> create(const std::string& prefix = "ktrial");
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&& other) noexcept;
  ~TempDir();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace ktrial
