#include "harness/e2e/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "harness/base/file.h"

namespace ktrial::e2e {

Status write_script(const std::filesystem::path& file, const std::string& text) {
  KTRIAL_TRY(write_file_atomically(file, text));
  return ::chmod(file.c_str(), 0700) == 0 ? Status() : fail_errno(file.string(), errno);
}

void become_daemon(const std::filesystem::path& log) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::setpgid(0, 0);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT, 0600);
  ::dup2(::open("/dev/null", O_RDONLY), 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
}

}  // namespace ktrial::e2e
