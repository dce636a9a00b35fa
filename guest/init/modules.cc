#include "guest/init/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "guest/init/system.h"

namespace ktrial::init {
namespace {

// Empty if it is loaded now.
std::string load(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return with_errno("cannot open module " + path, errno);
  std::string problem;
  if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST) {
    problem = with_errno("cannot load module " + path, errno);
  }
  close(fd);
  return problem;
}

}  // namespace

std::vector<std::string> load_modules(const std::string& order_file) {
  const auto order = read_small_file(order_file);
  if (!order) return {with_errno("cannot read " + order_file, errno)};
  std::vector<std::string> problems;
  std::string_view rest = *order;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string path(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (path.empty()) continue;
    if (std::string problem = load(path); !problem.empty()) problems.push_back(std::move(problem));
  }
  return problems;
}

}  // namespace ktrial::init
