#include "workloads/common/torture/torture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "workloads/common/clock.h"
#include "workloads/common/progress.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {
namespace {

constexpr int kLook = 250;        // ms
constexpr double kLastWords = 5;  // seconds from the module's end to its last line

// /dev/kmsg from now on; each read is one record, "PRIORITY,SEQUENCE,...;text\n".
class KernelLog {
 public:
  KernelLog() : fd_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
    if (fd_ < 0) cannot_run("/dev/kmsg: %s", std::strerror(errno));
    lseek(fd_, 0, SEEK_END);
  }
  ~KernelLog() { close(fd_); }
  KernelLog(const KernelLog&) = delete;
  KernelLog& operator=(const KernelLog&) = delete;

  // What there is, after waiting for some at most kLook.
  void read_into(TortureLog& log) {
    pollfd ready{fd_, POLLIN, 0};
    poll(&ready, 1, kLook);
    char record[8192];
    for (;;) {
      const ssize_t got = read(fd_, record, sizeof record);
      if (got < 0 && errno == EPIPE) continue;  // some were overwritten
      if (got <= 0) return;
      const std::string_view text(record, static_cast<std::size_t>(got));
      const std::size_t begin = text.find(';');
      if (begin == std::string_view::npos) continue;
      log.hear(text.substr(begin + 1, text.find('\n') - begin - 1));
    }
  }

 private:
  int fd_;
};

std::string file_of(const std::string& module) { return "/workloads/" + module + ".ko"; }

// 0, or the errno.
int load(const std::string& module, const std::string& arguments) {
  const int fd = open(file_of(module).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    cannot_run("%s is not there: this kernel has no module %s, and none could be built for it",
               file_of(module).c_str(), module.c_str());
  const int error = syscall(SYS_finit_module, fd, arguments.c_str(), 0) == 0 ? 0 : errno;
  close(fd);
  return error;
}

// Unloading waits for all threads of the test, which may take long, or for ever.
struct Unloading {
  const char* module;
  std::atomic<int> error{-1};
};

void* unload(void* argument) {
  auto& unloading = *static_cast<Unloading*>(argument);
  unloading.error = syscall(SYS_delete_module, unloading.module, 0) == 0 ? 0 : errno;
  return nullptr;
}

// The test's threads say something every few seconds; what they say is the sign of life.
class Watch {
 public:
  Watch(TortureLog& log, Progress& progress) : log_(log), progress_(progress) {}
  void look() {
    kernel_.read_into(log_);
    if (log_.lines() != seen_) progress_.report(log_.done(), 0);
    seen_ = log_.lines();
  }

 private:
  KernelLog kernel_;
  TortureLog& log_;
  Progress& progress_;
  std::uint64_t seen_ = 0;
};

void tell_numbers(const Torture& torture, Progress& progress, const TortureLog& log) {
  // Each is known before the first line that has it: the lines are the kernel's.
  progress.tell("done", [&log] { return log.done(); });
  for (const char* name : torture.numbers)
    progress.tell(name, [&log, name] {
      const auto found = log.numbers().find(name);
      return found == log.numbers().end() ? 0 : found->second;
    });
}

}  // namespace

int run_torture(const Torture& torture) {
  require_trial_guest();
  Progress progress(torture.unit);
  TortureLog log(torture.sign, torture.count);
  progress.report(0, 0);
  Watch watch(log, progress);
  tell_numbers(torture, progress, log);
  if (const int error = load("torture", ""); error != 0 && error != EEXIST)
    cannot_run("torture.ko: %s", std::strerror(error));
  if (const int error = load(torture.name, torture.arguments); error != 0)
    cannot_run("%s.ko %s: %s%s", torture.name, torture.arguments.c_str(), std::strerror(error),
               error == EINVAL
                   ? "; this kernel has nothing of that kind to test, its log says what it has"
                   : " (the kernel's log says more)");
  for (const Deadline end(torture.duration_s); !end.passed() && log.end().empty();) watch.look();
  Unloading unloading{torture.name};
  const pthread_t thread = start_thread(unload, &unloading);
  while (unloading.error < 0) watch.look();
  pthread_join(thread, nullptr);
  for (const Deadline patience(kLastWords); log.end().empty() && !patience.passed();) watch.look();
  progress.report(log.done(), 0);
  if (log.end().empty()) broken("%s ended without a last line", torture.name);
  if (log.end() != "SUCCESS") broken("%s says %s of itself", torture.name, log.end().c_str());
  std::printf("%s: %llu %s; SUCCESS\n", torture.name, static_cast<unsigned long long>(log.done()),
              torture.unit);
  return kHealthy;
}

}  // namespace ktrial::workload
