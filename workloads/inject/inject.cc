// Plants one fault and waits for its effects. If none ever comes, it ends as
// if all were well: a trial that then passes has missed the fault.
//
// As /init (rdinit=/workloads/inject) it is a guest that never comes up:
// ktrial_fault=init_death in its environment (the kernel passes on what it does
// not know) makes it die, anything else makes it mute.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/progress.h"
#include "workloads/common/threads.h"
#include "workloads/inject/user_faults.h"

using namespace ktrial::workload;

namespace {

constexpr char kModule[] = "/workloads/ktrial_inject.ko";
constexpr double kShortWait = 5;   // seconds; for what the kernel reports at once
constexpr int kQuarter = 250'000;  // microseconds

[[noreturn]] void be_init() {
  const char* fault = std::getenv("ktrial_fault");
  if (fault != nullptr && std::strcmp(fault, "init_death") == 0) _exit(1);
  for (;;) pause();
}

bool stalls(const std::string& fault) {
  for (const char* name :
       {"soft_lockup", "hard_lockup", "hard_lockup_all", "rcu_stall", "rcu_exp_stall",
        "rcu_kthread_starved", "hung_task", "workqueue_stall", "deadlock"})
    if (fault == name) return true;
  return false;
}

// In a child, which may die or never come back.
[[noreturn]] void load_module(const std::string& arguments) {
  const int fd = open(kModule, O_RDONLY | O_CLOEXEC);
  if (fd < 0) _exit(errno);
  _exit(syscall(SYS_finit_module, fd, arguments.c_str(), 0) == 0 ? 0 : errno);
}

pid_t plant(const std::string& arguments) {
  if (access(kModule, R_OK) != 0)
    cannot_run("%s is not there: no module could be built for this kernel", kModule);
  const pid_t child = fork();
  if (child < 0) cannot_run("fork: %s", std::strerror(errno));
  if (child == 0) load_module(arguments);
  return child;
}

// That the kernel refused the module is no fault planted; that it killed
// insmod is.
void check_child(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, WNOHANG) != child) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
    cannot_run("loading %s: %s", kModule, std::strerror(WEXITSTATUS(status)));
}

void await_effects(pid_t child, double seconds, Progress& progress) {
  const Deadline deadline(seconds);
  const auto total = static_cast<std::uint64_t>(seconds * 4);
  for (std::uint64_t quarter = 1; !deadline.passed(); ++quarter) {
    progress.report(std::min(quarter, total), total);
    sleep_us(kQuarter);
    if (child > 0) check_child(child);
  }
}

// Not on the CPU that will stand still.
void keep_off(int cpu) {
  for (const int other : allowed_cpus())
    if (other != cpu && pin_to_cpu(other)) return;
}

// About a second after boot the kernel switches to the refined TSC and stops all CPUs
// for it: a fault planted at that moment would hold up all instead of one.
void await_clocksource() {
  constexpr char kCurrent[] = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
  for (const Deadline deadline(kShortWait); !deadline.passed(); sleep_us(kQuarter / 5)) {
    std::string name;
    std::getline(std::ifstream(kCurrent), name);
    if (name != "tsc-early") return;
  }
}

// Since 6.12 the scheduler itself takes a share of each CPU from real-time threads for the
// others: nothing would starve. Kernels without it have no such files.
void stop_fair_servers() {
  namespace fs = std::filesystem;
  for (const char* server : {"fair_server", "ext_server"}) {
    std::error_code error;
    const fs::path folder = fs::path("/sys/kernel/debug/sched") / server;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      std::ofstream(it->path() / "runtime") << 0;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (getpid() == 1) be_init();
  std::string fault = "none";
  std::string then = "none";
  std::int64_t cpu = 1, lines = 4000, after = 5, then_cpu = 0;
  const double duration_s = parse_arguments(
      argc, argv,
      {{"fault", Choice{&fault,
                        {"none",
                         "soft_lockup",
                         "hard_lockup",
                         "hard_lockup_all",
                         "rcu_stall",
                         "rcu_exp_stall",
                         "rcu_kthread_starved",
                         "hung_task",
                         "workqueue_stall",
                         "deadlock",
                         "warn",
                         "bug",
                         "oops",
                         "gpf",
                         "divide",
                         "use_after_free",
                         "list_corruption",
                         "sleep_in_atomic",
                         "panic",
                         "triple_fault",
                         "sysrq_crash",
                         "oom",
                         "user_crash",
                         "console_flood"}}},
       {"then", Choice{&then, {"none", "warn_again", "bug", "oops", "gpf", "divide", "panic"}}},
       {"after", Integer{&after, 0, 600}},
       {"then_cpu", Integer{&then_cpu, 0, 254}},
       {"cpu", Integer{&cpu, 0, 254}},
       {"lines", Integer{&lines, 1, 1000000}}});
  const double wait_s = duration_s > 0 ? duration_s : 120;
  Progress progress("quarter seconds waited");
  progress.report(0, 0);
  std::printf("planting %s\n", fault.c_str());
  std::fflush(stdout);
  sleep_us(kQuarter);  // let that line arrive: it dates the fault
  if (fault == "oom") eat_all_memory();
  if (fault == "user_crash") crash();
  if (fault == "sysrq_crash") crash_kernel();
  if (fault == "none" || fault == "console_flood" || fault == "sysrq_crash") {
    if (fault == "console_flood") flood_console(lines);
    std::printf("nothing is wrong\n");
    return kHealthy;
  }
  await_clocksource();
  if (fault == "rcu_kthread_starved") stop_fair_servers();
  keep_off(static_cast<int>(cpu));
  std::string arguments = "fault=" + fault + " cpu=" + std::to_string(cpu) +
                          " seconds=" + std::to_string(static_cast<int>(wait_s) + 60);
  double short_wait_s = kShortWait;
  if (then != "none") {
    arguments += " then=" + then + " after=" + std::to_string(after) +
                 " then_cpu=" + std::to_string(then_cpu);
    short_wait_s += static_cast<double>(after);
  }
  const pid_t child = plant(arguments);
  await_effects(child, stalls(fault) ? wait_s : std::min(wait_s, short_wait_s), progress);
  std::printf("%s was planted and had no effect\n", fault.c_str());
  return kHealthy;
}
