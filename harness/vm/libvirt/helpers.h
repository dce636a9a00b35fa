// The programs that libvirt's client starts for itself: ssh, or the command of a +ext URI.
//
// When such a connection breaks, libvirt first reads what the program wrote to stderr, up to its
// end, for the error's text. An ssh that waits for a host, and its ProxyCommand, keep that open:
// whoever breaks the connection has to end them, too. libvirt names no pid; but what the calling
// thread's children are is told by /proc/PID/task/TID/children (proc(5)). On kernels without that
// file nothing is found.
//
// The functions may be called in a signal handler.
#pragma once

#include <sys/types.h>

#include <array>

namespace ktrial::vm {

struct Pids {
  static constexpr int kMost = 64;
  std::array<pid_t, kMost> pid{};
  int count = 0;  // what is beyond kMost is left out

  bool contains(pid_t one) const;
  void add(pid_t one);
};

// The children that this thread of this process started. Main threads have the process's number.
Pids children_of(pid_t process, pid_t thread);

// Those of `now` that are not in `before`.
Pids newcomers(const Pids& now, const Pids& before);

// SIGKILL; children first, so that none is orphaned and forgotten.
void kill_with_children(const Pids& roots);

// While there is one, what this thread forks gets a session of its own, without a terminal: a
// Ctrl-C is then for us alone, and we can still tidy up on the host that ssh leads to.
class OwnSessions {
 public:
  explicit OwnSessions(bool wanted);
  OwnSessions(const OwnSessions&) = delete;
  OwnSessions& operator=(const OwnSessions&) = delete;
  ~OwnSessions();
};

}  // namespace ktrial::vm
