#include "workloads/cpuacct/groups.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/threads.h"

namespace ktrial::cpuacct {
namespace {

using workload::broken;
using workload::cannot_run;

constexpr std::size_t kMaxFile = 1 << 20;              // bytes
constexpr std::int64_t kPatience = 20'000'000'000;     // ns, for a group to let go of its tasks
constexpr std::int64_t kPassPatience = 2'000'000'000;  // ns

std::string slurp(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) broken("%s cannot be opened: %s", path.c_str(), std::strerror(errno));
  std::string text;
  char buffer[8192];
  ssize_t size;
  while ((size = ::read(fd, buffer, sizeof buffer)) > 0 && text.size() < kMaxFile)
    text.append(buffer, static_cast<std::size_t>(size));
  if (size < 0) broken("%s cannot be read: %s", path.c_str(), std::strerror(errno));
  close(fd);
  return text;
}

template <typename T>
T must(std::optional<T> value, const std::string& path, const std::string& text) {
  if (!value) broken("%s is not in its documented form: \"%.100s\"", path.c_str(), text.c_str());
  return *value;
}

std::uint64_t number_in(const std::string& path) {
  const std::string text = slurp(path);
  return must(parse_number(text), path, text);
}

V1 read_v1(const std::string& folder) {
  V1 v1;
  v1.usage = number_in(folder + "/cpuacct.usage");
  v1.usage_user = number_in(folder + "/cpuacct.usage_user");
  v1.usage_sys = number_in(folder + "/cpuacct.usage_sys");
  std::string path = folder + "/cpuacct.usage_percpu", text = slurp(path);
  v1.percpu = must(parse_percpu(text), path, text);
  path = folder + "/cpuacct.usage_all";
  text = slurp(path);
  if (!parse_all(text, v1)) must(std::optional<int>(), path, text);
  path = folder + "/cpuacct.stat";
  text = slurp(path);
  v1.stat_user = must(parse_key(text, "user"), path, text);
  v1.stat_system = must(parse_key(text, "system"), path, text);
  return v1;
}

// The mounted folder, or "" and errno.
std::string mount_at(const std::string& folder, const char* type, const char* options) {
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return "";
  return mount("ktrial", folder.c_str(), type, 0, options) == 0 ? folder : "";
}

void remove_folder(const std::string& folder) {
  const std::int64_t begun = workload::now_ns();
  while (rmdir(folder.c_str()) != 0) {
    if (errno != EBUSY || workload::now_ns() - begun > kPatience)
      broken("rmdir: %s, whose tasks have ended, cannot be removed: %s", folder.c_str(),
             std::strerror(errno));
    workload::sleep_us(5000);
  }
}

bool write_pid(const std::string& path, pid_t pid) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) broken("%s cannot be opened: %s", path.c_str(), std::strerror(errno));
  char text[16];
  const int size = std::snprintf(text, sizeof text, "%d\n", pid);
  const bool taken = write(fd, text, static_cast<std::size_t>(size)) == size;
  if (!taken && errno != ESRCH)
    broken("move: process %d does not go into %s: %s", pid, path.c_str(), std::strerror(errno));
  close(fd);
  return taken;
}

void* pass(void* passed) {
  const sched_param none{};
  sched_setscheduler(0, SCHED_IDLE, &none);
  sched_yield();
  ++*static_cast<std::atomic<std::size_t>*>(passed);
  return nullptr;
}

}  // namespace

Hierarchies::Hierarchies() {
  if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    if (errno != EINVAL)  // "/" may be no mount point
      cannot_run("a mount namespace: %s (it needs root)", std::strerror(errno));
  v2_ = mount_at("/tmp/ktrial-cgroup2", "cgroup2", nullptr);
  if (v2_.empty() && errno == ENOENT) {
    mkdir("/tmp", 01777);
    v2_ = mount_at("/tmp/ktrial-cgroup2", "cgroup2", nullptr);
  }
  if (v2_.empty()) cannot_run("mount of cgroup2: %s", std::strerror(errno));
  v1_ = mount_at("/tmp/ktrial-cpuacct", "cgroup", "cpuacct");
  if (v1_.empty())
    std::printf("cpuacct: no v1 hierarchy (%s), only cpu.stat is judged\n", std::strerror(errno));
}

Hierarchies::~Hierarchies() {
  for (const std::string& folder : {v1_, v2_}) {
    if (folder.empty()) continue;
    umount2(folder.c_str(), MNT_DETACH);
    rmdir(folder.c_str());
  }
}

void Hierarchies::make(const std::string& group) const {
  for (const std::string& root : {v1_, v2_})
    if (!root.empty() && mkdir((root + "/" + group).c_str(), 0755) != 0)
      broken("mkdir of group %s in %s: %s", group.c_str(), root.c_str(), std::strerror(errno));
}

void Hierarchies::remove(const std::string& group) const {
  for (const std::string& root : {v1_, v2_})
    if (!root.empty()) remove_folder(root + "/" + group);
}

bool Hierarchies::move(pid_t pid, const std::string& group) const {
  bool taken = true;
  for (const std::string& root : {v1_, v2_})
    if (!root.empty()) taken &= write_pid(root + "/" + group + "/cgroup.procs", pid);
  return taken;
}

bool Hierarchies::has_tasks(const std::string& group) const {
  for (const std::string& root : {v1_, v2_})
    if (!root.empty() && !slurp(root + "/" + group + "/cgroup.procs").empty()) return true;
  return false;
}

Reading Hierarchies::read(const std::string& group) const {
  Reading reading;
  if (has_v1()) reading.v1 = read_v1(v1_ + "/" + group);
  const std::string path = v2_ + "/" + group + "/cpu.stat", text = slurp(path);
  reading.v2 = must(parse_cpu_stat(text), path, text);
  return reading;
}

std::uint64_t Hierarchies::root_usage() const { return number_in(v1_ + "/cpuacct.usage"); }

std::uint64_t read_proc_stat() {
  const std::string path = "/proc/stat", text = slurp(path);
  return must(parse_proc_stat(text), path, text);
}

void let_cpus_pass(const std::vector<int>& cpus) {
  static std::atomic<std::size_t> passed;
  passed = 0;
  std::vector<pthread_t> threads;
  for (const int cpu : cpus) threads.push_back(workload::start_thread_on(cpu, pass, &passed));
  const std::int64_t begun = workload::now_ns();
  while (passed < cpus.size() && workload::now_ns() - begun < kPassPatience)
    workload::sleep_us(1000);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}

}  // namespace ktrial::cpuacct
