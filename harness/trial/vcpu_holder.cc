#include "harness/trial/vcpu_holder.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <random>

#include "harness/base/file.h"

namespace ktrial::trial {
namespace {
using std::chrono::microseconds;
using SteadyTime = std::chrono::steady_clock;

constexpr char kScope[] = "/proc/sys/kernel/yama/ptrace_scope";

std::unexpected<Error> cannot_hold(int number) {
  auto out = fail_errno("hold a vCPU's thread by ptrace", number);
  std::string scope = read_file(kScope, 64).value_or("not there");
  while (!scope.empty() && scope.back() == '\n') scope.pop_back();
  out.error().hint = std::string("leave --perturb out, or allow it: ") + kScope +
                     " may be 1 at most (it is " + scope +
                     "), and a container's seccomp filter must let ptrace through; no debugger may "
                     "hold QEMU";
  return out;
}

// Nothing more comes of a thread that died while it was held; until it is waited for, its process
// cannot be either.
bool reap(pid_t thread) {
  while (::waitpid(thread, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  return false;
}

// False: the thread is gone.
Result<bool> hold_once(pid_t thread, microseconds time) {
  if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) {
    if (errno == ESRCH) return false;
    return cannot_hold(errno);
  }
  if (::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0) return reap(thread);
  int status = 0;
  while (::waitpid(thread, &status, __WALL) < 0)
    if (errno != EINTR) return fail_errno("wait for a vCPU's thread", errno);
  if (!WIFSTOPPED(status)) return false;
  std::this_thread::sleep_for(time);
  // A signal that came first is passed on.
  const long signal = status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
  if (::ptrace(PTRACE_DETACH, thread, nullptr, signal) != 0) return reap(thread);
  return true;
}

}  // namespace

Result<std::unique_ptr<VcpuHolder>> VcpuHolder::start(std::vector<pid_t> threads,
                                                      const spec::Holding& holding) {
  if (threads.size() < 2)
    return fail(ErrorKind::environment, "which threads run the vCPUs is not known");
  std::unique_ptr<VcpuHolder> out(new VcpuHolder(std::move(threads), holding));
  auto began = out->began_.get_future();
  out->thread_ = std::jthread([own = out.get()](const std::stop_token& stop) { own->work(stop); });
  KTRIAL_TRY(began.get());
  return out;
}

// All of ptrace is of one thread: this one.
void VcpuHolder::work(const std::stop_token& stop) {
  std::minstd_rand random(std::random_device{}());
  const auto up_to = [&](int most) {
    return microseconds(std::uniform_int_distribution<int>(std::max(1, most / 10), most)(random));
  };
  for (bool first = true; !stop.stop_requested(); first = false) {
    const pid_t thread =
        threads_[std::uniform_int_distribution<std::size_t>(0, threads_.size() - 1)(random)];
    const auto begun = SteadyTime::now();
    const auto held = hold_once(thread, up_to(holding_.most_us));
    if (first) began_.set_value(held ? Status() : std::unexpected(held.error()));
    {
      const std::lock_guard guard(lock_);
      if (!held || !*held) {
        count_.ended = held ? "a vCPU's thread has ended" : held.error().message;
        return;
      }
      ++count_.holds;
      count_.seconds += std::chrono::duration<double>(SteadyTime::now() - begun).count();
    }
    std::this_thread::sleep_for(microseconds(holding_.gap_us));
  }
}

bool VcpuHolder::running() {
  const std::lock_guard guard(lock_);
  return count_.ended.empty();
}

VcpuHolder::Count VcpuHolder::stop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  const std::lock_guard guard(lock_);
  return count_;
}

}  // namespace ktrial::trial
