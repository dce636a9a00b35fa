// The few file operations of the store. (harness/base has its like; this folder
// stands beside it and includes none of it.)
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "results/error.h"

namespace ktrial::results {

// Owns a file descriptor.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

Result<File> open_file(const std::filesystem::path& path, int flags);
// All bytes or an error that names `path`.
Status write_all(const File& file, std::string_view bytes, const std::filesystem::path& path);
Result<std::string> read_whole(const std::filesystem::path& path, std::size_t limit = 256u << 20);
// Old content or new, never half: temporary file, fsync, rename, fsync of the
// folder. After an error nothing of the new content is left.
Status replace_file(const std::filesystem::path& path, std::string_view bytes);
// Temporary names of replace_file() that a killed process left behind.
bool is_temporary(const std::filesystem::path& path);

}  // namespace ktrial::results

// As KTRIAL_TRY of harness/base, for this folder's Result.
#define RESULTS_TRY(...)                                           \
  __extension__({                                                  \
    auto results_try = (__VA_ARGS__);                              \
    if (!results_try) return std::unexpected(results_try.error()); \
    ::ktrial::results::detail::take(results_try);                  \
  })
namespace ktrial::results::detail {
template <class T>
T take(Result<T>& result) {
  return std::move(*result);
}
inline void take(Status&) {}
}  // namespace ktrial::results::detail
