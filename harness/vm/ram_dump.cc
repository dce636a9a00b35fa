#include "harness/vm/ram_dump.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "harness/base/file.h"

namespace ktrial::vm {
namespace fs = std::filesystem;
using std::chrono::milliseconds;

namespace {

constexpr std::uint64_t kSlowest = 32;  // MiB a second that a dump writes at least

// A file with a name only while the VMM writes it.
class Target {
 public:
  static Result<Target> create() {
    const char* folder = std::getenv("TMPDIR");
    std::string name = std::string(folder && *folder ? folder : "/tmp") + "/ktrial-ram-XXXXXX";
    Fd fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd) return fail_errno("a file for guest RAM, " + name, errno);
    return Target(std::move(name), std::move(fd));
  }
  Target(Target&& other) noexcept
      : name_(std::exchange(other.name_, "")), fd_(std::move(other.fd_)) {}
  ~Target() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  const std::string& name() const { return name_; }
  Fd& fd() { return fd_; }

 private:
  Target(std::string name, Fd fd) : name_(std::move(name)), fd_(std::move(fd)) {}
  std::string name_;
  Fd fd_;
};

Result<Target> dump(const Monitor& monitor, std::uint64_t address, std::uint64_t bytes,
                    milliseconds patience) {
  Target target = KTRIAL_TRY(Target::create());
  const milliseconds needed(1000 * (bytes >> 20) / kSlowest);
  KTRIAL_TRY(monitor("pmemsave", {{"val", address}, {"size", bytes}, {"filename", target.name()}},
                     std::max(patience, needed)));
  struct stat info{};
  if (::fstat(target.fd().get(), &info) != 0) return fail_errno("guest RAM", errno);
  if (static_cast<std::uint64_t>(info.st_size) != bytes)
    return fail(ErrorKind::environment, "the VMM wrote a part of the guest's RAM only",
                "is there room in " + fs::path(target.name()).parent_path().string() + "?");
  return target;
}

Status append(int to, std::uint64_t offset, int from, std::uint64_t bytes) {
  off_t in = 0, out = static_cast<off_t>(offset);
  while (bytes > 0) {
    const ssize_t n = ::copy_file_range(from, &in, to, &out, bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("copying guest RAM", n < 0 ? errno : EIO);
    bytes -= static_cast<std::uint64_t>(n);
  }
  return {};
}

}  // namespace

Result<GuestRam> dump_ram(const Monitor& monitor, std::uint64_t bytes, const arch::Machine& machine,
                          milliseconds patience) {
  const std::uint64_t low = machine.low_memory(bytes);
  Target whole = KTRIAL_TRY(dump(monitor, machine.ram_base, low, patience));
  if (bytes > low) {
    Target high = KTRIAL_TRY(dump(monitor, machine.high_base, bytes - low, patience));
    KTRIAL_TRY(append(whole.fd().get(), low, high.fd().get(), bytes - low));
  }
  return GuestRam{std::move(whole.fd()), bytes, &machine};
}

}  // namespace ktrial::vm
