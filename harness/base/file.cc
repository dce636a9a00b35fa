#include "harness/base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>

namespace ktrial {
namespace fs = std::filesystem;

Result<Fd> open_file(const fs::path& path, int flags, int mode) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return fail_errno("open " + path.string(), errno);
  return Fd(fd);
}

Result<std::string> read_file(const fs::path& path, std::size_t limit) {
  Fd fd = KTRIAL_TRY(open_file(path, O_RDONLY));
  std::string out;
  char buffer[1 << 16];
  for (;;) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + path.string(), errno);
    if (n == 0) return out;
    if (out.size() + static_cast<std::size_t>(n) > limit)
      return fail(ErrorKind::environment,
                  path.string() + " is larger than " + std::to_string(limit) + " bytes");
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

Status write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(path.empty() ? "write" : "write " + path.string(), errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status write_file_atomically(const fs::path& path, std::string_view bytes) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  // Hidden, so that nobody who lists the folder takes it for a finished file.
  const fs::path temporary =
      folder / (".ktrial-tmp." + path.filename().string() + "." + std::to_string(::getpid()));
  auto written = [&]() -> Status {
    Fd fd = KTRIAL_TRY(open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC));
    KTRIAL_TRY(write_all(fd.get(), bytes));
    if (::fsync(fd.get()) != 0) return fail_errno("fsync", errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno("rename", errno);
    return {};
  }();
  if (written) {
    // So that the new name survives a power cut too. Not every file system can,
    // and the content is safe by now: no error.
    if (auto opened = open_file(folder, O_RDONLY | O_DIRECTORY)) ::fsync(opened->get());
    return {};
  }
  ::unlink(temporary.c_str());
  return std::unexpected(std::move(written).error().in("writing " + path.string()));
}

Status replace_with_copy(const fs::path& from, const fs::path& to) {
  const Fd source = KTRIAL_TRY(open_file(from, O_RDONLY));
  struct stat info{};
  if (::fstat(source.get(), &info) != 0) return fail_errno(from.string(), errno);
  auto copied = [&]() -> Status {
    const Fd target =
        KTRIAL_TRY(open_file(to, O_WRONLY | O_CREAT | O_TRUNC, static_cast<int>(info.st_mode)));
    std::string buffer(1 << 20, '\0');
    for (;;) {
      const ssize_t n = ::read(source.get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read", errno);
      if (n == 0) return {};
      const std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
      KTRIAL_TRY(write_all(target.get(), bytes));
    }
  }();
  if (copied) return {};
  ::unlink(to.c_str());
  return std::unexpected(
      std::move(copied).error().in("copying " + from.string() + " to " + to.string()));
}

Result<TempDir> TempDir::create(const std::string& prefix) {
  std::string tried;
  for (const char* name : {"XDG_RUNTIME_DIR", "TMPDIR"}) {
    const char* base = ::getenv(name);
    // sockaddr_un holds 108 bytes; leave room for our own file names.
    if (base == nullptr || *base != '/' || std::string_view(base).size() > 60) continue;
    std::string path = std::string(base) + "/" + prefix + ".XXXXXX";
    if (::mkdtemp(path.data()) != nullptr) return TempDir(path);
    tried += std::string(base) + " ";
  }
  std::string path = "/tmp/" + prefix + ".XXXXXX";
  if (::mkdtemp(path.data()) == nullptr)
    return fail_errno("create a temporary directory in " + tried + "/tmp", errno);
  return TempDir(path);
}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
  if (this != &other) std::swap(path_, other.path_);
  return *this;
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;  // Nothing useful can be done about it here.
  fs::remove_all(path_, ignored);
}

}  // namespace ktrial
