#include "harness/campaign/share.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "harness/base/file.h"

namespace ktrial::campaign {
namespace fs = std::filesystem;

fs::path HostShare::default_dir() {
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime && *runtime == '/')
    return fs::path(runtime) / "ktrial-campaigns";
  return fs::path("/tmp") / ("ktrial-campaigns-" + std::to_string(::getuid()));
}

Result<HostShare> HostShare::join(const fs::path& dir) {
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno("create " + dir.string(), errno);
  struct stat folder{};
  if (::lstat(dir.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode) || folder.st_uid != ::getuid())
    return fail(ErrorKind::environment, dir.string() + " is not a folder of this user",
                "remove it, or set XDG_RUNTIME_DIR");
  for (;;) {
    std::string name = (dir / "XXXXXX").string();
    Fd fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd) return fail_errno("create a file in " + dir.string(), errno);
    struct stat status{};
    // Who counts may have taken it for a dead one's before it was locked.
    if (::flock(fd.get(), LOCK_EX) == 0 && ::fstat(fd.get(), &status) == 0 && status.st_nlink > 0)
      return HostShare(name, std::move(fd));
  }
}

HostShare::~HostShare() {
  if (lock_) ::unlink(file_.c_str());
}

int HostShare::campaigns() const {
  int alive = 1;
  std::error_code error;
  for (fs::directory_iterator it(file_.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    if (it->path() == file_) continue;
    const auto other = open_file(it->path(), O_RDWR | O_CLOEXEC);
    if (!other) continue;
    if (::flock(other->get(), LOCK_EX | LOCK_NB) != 0)
      ++alive;
    else
      ::unlink(it->path().c_str());
  }
  return alive;
}

}  // namespace ktrial::campaign
