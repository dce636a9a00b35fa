#include "workloads/debug-events/debugger.h"

#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"

namespace ktrial::debug_events {
namespace {

using workload::broken;
using workload::cannot_run;

constexpr long kOptions = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                          PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;
constexpr std::int64_t kIdlePause = 200;  // us between looks for something to do

class Debugger {
 public:
  Debugger(const Orders& orders, Shared& shared) : orders_(orders), shared_(shared) {}

  [[noreturn]] void run() {
    for (const pid_t client : orders_.clients)
      for (std::uint32_t i = 0; i < orders_.pairs; ++i) one_pair(client);
    for (const pid_t client : orders_.clients) {
      if (!attach(client)) broken("attach: PTRACE_SEIZE of %d: %s", client, std::strerror(errno));
      ++shared_.attached;
    }
    while (tasks_left()) {
      if (shared_.detach && !leaving_) ask_all_to_stop();
      if (handle_one(WNOHANG)) continue;
      if (orders_.discover) discover();
      if (orders_.serve_stages) serve_stages();
      workload::sleep_us(kIdlePause);
    }
    if (waitpid(-1, nullptr, __WALL | WNOHANG) != -1 || errno != ECHILD)
      broken("detached: a task that was let go, or has ended, is still traced");
    _exit(workload::kHealthy);
  }

 private:
  void log(Kind kind, pid_t task, pid_t by, std::uint32_t ref) {
    if (!shared_.events.add({++seqno_, kind, task, by, ref})) cannot_run("the event log is full");
  }

  bool tasks_left() const { return !alive_.empty() || !early_.empty() || !dying_.empty(); }

  bool attach(pid_t task) {
    if (ptrace(PTRACE_SEIZE, task, nullptr, kOptions) != 0) {
      if (seqno_ == 0 && (errno == EPERM || errno == ENOSYS))
        cannot_run("PTRACE_SEIZE: %s (it needs CAP_SYS_PTRACE)", std::strerror(errno));
      return false;
    }
    log(Kind::attach, task, 0, 0);
    alive_[task] = seqno_;
    return true;
  }

  void one_pair(pid_t client) {
    if (!attach(client)) broken("pairs: PTRACE_SEIZE of %d: %s", client, std::strerror(errno));
    ask_all_to_stop();
    while (tasks_left()) handle_one(0);
    leaving_ = false;
    ++shared_.pairs;
  }

  // PTRACE_INTERRUPT fails for one that is about to stop or end anyway.
  void ask_all_to_stop() {
    leaving_ = true;
    for (const auto& [task, unused] : alive_) ptrace(PTRACE_INTERRUPT, task, nullptr, nullptr);
  }

  // False: nothing had happened.
  bool handle_one(int flags) {
    int status = 0;
    const pid_t task = waitpid(-1, &status, __WALL | flags);
    if (task == 0) return false;
    if (task < 0 && errno == EINTR) return true;
    if (task < 0) broken("the debugger's tasks are lost: %s", std::strerror(errno));
    if (!WIFSTOPPED(status))
      ended(task);
    else if (alive_.contains(task))
      stopped(task, status);
    else
      early_[task] = status;  // born, but its parent's stop is still to come
    return true;
  }

  void ended(pid_t task) {
    if (!dying_.erase(task)) broken("task %d ended without an exit event", task);
  }

  void stopped(pid_t task, int status) {
    const int event = status >> 16;
    int signal = 0;
    if (event == PTRACE_EVENT_FORK) born(Kind::fork, task);
    if (event == PTRACE_EVENT_VFORK) return born(Kind::vfork, task, true);
    if (event == PTRACE_EVENT_CLONE) born(Kind::clone, task);
    if (event == PTRACE_EVENT_EXEC) log(Kind::exec, task, 0, alive_.at(task));
    if (event == PTRACE_EVENT_EXIT) {
      log(Kind::exit, task, 0, alive_.at(task));
      alive_.erase(task);
      dying_.insert(task);
    }
    if (event == 0) signal = WSTOPSIG(status);
    release(task, signal, event == PTRACE_EVENT_EXIT);
  }

  // From its stop. One that dies is not let go: its end is ours to see.
  void release(pid_t task, int signal, bool dies = false) {
    const bool let_go = leaving_ && !dies;
    if (let_go) {
      log(Kind::detach, task, 0, alive_.at(task));
      alive_.erase(task);
    }
    if (ptrace(let_go ? PTRACE_DETACH : PTRACE_CONT, task, nullptr, static_cast<long>(signal)) != 0)
      broken("task %d, in a stop, is not there: %s", task, std::strerror(errno));
  }

  void born(Kind kind, pid_t parent, bool is_vfork = false) {
    unsigned long message = 0;
    if (ptrace(PTRACE_GETEVENTMSG, parent, nullptr, &message) != 0)
      broken("PTRACE_GETEVENTMSG: %s", std::strerror(errno));
    const auto child = static_cast<pid_t>(message);
    log(kind, child, parent, alive_.at(parent));
    if (!alive_.emplace(child, seqno_).second) broken("task %d was born twice", child);
    if (is_vfork) hold_vfork(parent, child);
    if (const auto early = early_.find(child); early != early_.end()) {
      const int status = early->second;
      early_.erase(early);
      stopped(child, status);
    }
  }

  // The parent runs on, but its child does not: it must stand still.
  void hold_vfork(pid_t parent, pid_t child) {
    const auto at = std::find(orders_.clients.begin(), orders_.clients.end(), parent);
    int status = 0;
    if (!early_.contains(child)) {
      while (waitpid(child, &status, __WALL) < 0)
        if (errno != EINTR) broken("the vfork child %d is lost: %s", child, std::strerror(errno));
      if (!WIFSTOPPED(status)) broken("the vfork child %d ended before its first stop", child);
      early_[child] = status;
    }
    release(parent, 0);
    if (orders_.hold_vfork_us > 0) workload::sleep_us(orders_.hold_vfork_us);
    if (at != orders_.clients.end() && shared_.clients[at - orders_.clients.begin()].in_vfork == 0)
      broken("vfork: client %d ran on while its child %d was stopped", parent, child);
    ++shared_.vforks_held;
  }

  // All threads of all clients. One that cannot be attached to is traced already, by
  // its birth; if that never shows, the log lacks it.
  void discover() {
    for (const pid_t client : orders_.clients) {
      const std::string path = "/proc/" + std::to_string(client) + "/task";
      DIR* folder = opendir(path.c_str());
      if (!folder) continue;
      while (const dirent* entry = readdir(folder)) {
        const pid_t task = std::atoi(entry->d_name);
        if (task > 0 && !alive_.contains(task) && !dying_.contains(task)) attach(task);
      }
      closedir(folder);
    }
    ++shared_.scans;
  }

  void serve_stages() {
    for (std::size_t i = 0; i < orders_.clients.size(); ++i) {
      Client& client = shared_.clients[i];
      const std::uint32_t stage = client.announced;
      if (stage == client.signalled) continue;
      shared_.tokens[i].add({false, stage});
      read_memory(orders_.clients[i], client.address, stage);
      shared_.tokens[i].add({true, stage});
      set_and_wake(client.signalled, stage);
    }
  }

  void read_memory(pid_t client, std::uint64_t address, std::uint32_t stage) {
    unsigned char seen[kStageBytes];
    const iovec here{seen, sizeof seen}, there{reinterpret_cast<void*>(address), sizeof seen};
    const ssize_t size = process_vm_readv(client, &here, 1, &there, 1, 0);
    if (size < 0 && errno == ENOSYS) cannot_run("process_vm_readv: CONFIG_CROSS_MEMORY_ATTACH");
    if (size != static_cast<ssize_t>(sizeof seen))
      broken("memory: process_vm_readv of %d gives %zd bytes: %s", client, size,
             std::strerror(errno));
    if (orders_.misread) seen[5000] ^= 1;
    for (std::size_t i = 0; i < sizeof seen; ++i)
      if (seen[i] != pattern(i, stage))
        broken("memory: byte %zu of client %d is %#x in stage %u, it wrote %#x", i, client, seen[i],
               stage, pattern(i, stage));
  }

  const Orders& orders_;
  Shared& shared_;
  std::uint32_t seqno_ = 0;
  bool leaving_ = false;
  std::map<pid_t, std::uint32_t> alive_;  // by the seqno of their creation
  std::map<pid_t, int> early_;            // stopped before their birth was told: their status
  std::set<pid_t> dying_;                 // past their exit event
};

}  // namespace

void be_debugger(const Orders& orders, Shared& shared) { Debugger(orders, shared).run(); }

}  // namespace ktrial::debug_events
