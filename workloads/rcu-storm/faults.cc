// Page faults that a thread of user space serves.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "workloads/common/threads.h"
#include "workloads/rcu-storm/deeds.h"

namespace ktrial::workload {
namespace {

constexpr std::size_t kPages = 16;
constexpr int kPatience = 1000;  // ms; what is not served then, closing ends

void* touch(void* argument) {
  volatile char* at = static_cast<char*>(argument);
  std::uintptr_t sum = 0;
  for (std::size_t i = 0; i < kPages; ++i) sum += static_cast<unsigned char>(at[i * kPage]);
  return reinterpret_cast<void*>(sum);
}

// How many faults were served, each with a page of ones.
std::size_t serve(int faults) {
  alignas(kPage) static const auto ones = [] {
    std::array<char, kPage> page;
    page.fill(1);
    return page;
  }();
  std::size_t served = 0;
  for (pollfd poll_fd{faults, POLLIN, 0}; served < kPages && poll(&poll_fd, 1, kPatience) > 0;) {
    uffd_msg message{};
    if (read(faults, &message, sizeof message) != sizeof message) continue;
    uffdio_copy copy{};
    copy.dst = message.arg.pagefault.address & ~(kPage - 1);
    copy.src = reinterpret_cast<std::uintptr_t>(ones.data());
    copy.len = kPage;
    if (ioctl(faults, UFFDIO_COPY, &copy) == 0) ++served;
  }
  return served;
}

bool watches(int faults, void* at) {
  uffdio_api api{};
  api.api = UFFD_API;
  uffdio_register range{};
  range.range = {reinterpret_cast<std::uintptr_t>(at), kPages * kPage};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  return ioctl(faults, UFFDIO_API, &api) == 0 && ioctl(faults, UFFDIO_REGISTER, &range) == 0;
}

}  // namespace

void serve_faults(Actor& actor) {
  const auto faults = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  void* at =
      mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (faults >= 0 && at != MAP_FAILED && watches(faults, at)) {
    pthread_t thread = start_thread(touch, at);
    const std::size_t served = serve(faults);
    close(faults);
    void* sum = nullptr;
    pthread_join(thread, &sum);
    if (served == kPages && reinterpret_cast<std::uintptr_t>(sum) != kPages)
      broken("userfaults: %zu pages of ones were read as %zu", kPages,
             static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(sum)));
  } else {
    ++actor.tempest->refused;
    if (faults >= 0) close(faults);
  }
  if (at != MAP_FAILED) munmap(at, kPages * kPage);
}

}  // namespace ktrial::workload
