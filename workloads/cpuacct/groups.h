// Control groups of one name in both hierarchies, and readings of them. All
// functions exit with kCannotRun or kBroken rather than return an error.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "workloads/cpuacct/reading.h"

namespace ktrial::cpuacct {

// Mounts cgroup2 and the v1 hierarchy of cpuacct in a mount namespace of our own.
// Without v1 (a kernel that has no such controller) says so and goes on.
class Hierarchies {
 public:
  Hierarchies();
  ~Hierarchies();
  Hierarchies(const Hierarchies&) = delete;
  Hierarchies& operator=(const Hierarchies&) = delete;

  bool has_v1() const { return !v1_.empty(); }
  void make(const std::string& group) const;
  // Once its last task has ended; waits out a kernel that is not done with it (EBUSY).
  void remove(const std::string& group) const;
  // The process, with its threads, goes into the group of both. False: the kernel says
  // that there is no such process, which only one that has ended can be.
  bool move(pid_t pid, const std::string& group) const;
  bool has_tasks(const std::string& group) const;
  Reading read(const std::string& group) const;
  std::uint64_t root_usage() const;  // ns; v1 only

 private:
  std::string v1_, v2_;  // where they are mounted
};

// Of /proc/stat: parse_proc_stat().
std::uint64_t read_proc_stat();

// Waits until each CPU has run a task of lowest priority: what was about to leave a
// CPU has left it. At most about two seconds.
void let_cpus_pass(const std::vector<int>& cpus);

}  // namespace ktrial::cpuacct
