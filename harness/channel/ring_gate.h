// RingGate: stands between QEMU and a vhost-user daemon of rust-vmm's, and keeps QEMU from
// stopping a ring that the daemon is at work on.
//
// VHOST_USER_GET_VRING_BASE stops a ring, and QEMU sends it whenever the machine pauses. The
// daemon's thread "vring_worker" (of the crate vhost-user-backend) takes a ring that is stopped
// under its hands for an error and ends, without a word: nothing serves the guest's rings from
// then on. Seen with vhost-device-vsock 0.3.0. The gate holds that message until the thread waits
// for events. As the vCPUs stand by then, the guest makes no new ones.
//
// Format of the messages: QEMU's docs/interop/vhost-user.rst.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::channel {

struct GateEnds {
  std::filesystem::path front;  // where the gate listens for QEMU
  std::filesystem::path back;   // where the daemon listens
  pid_t daemon = 0;
};

class RingGate {
 public:
  // `lost` is called when the daemon's worker has ended while QEMU is there: from a thread of the
  // gate's own, at most once for each connection.
  static Result<std::unique_ptr<RingGate>> open(const GateEnds& ends, std::function<void()> lost);
  // QEMU is cut off from the daemon.
  ~RingGate();

 private:
  RingGate(const GateEnds& ends, std::function<void()> lost, Fd listener, Fd ending);
  void run();
  void serve(int front, int back);
  Status pass(int from, int to, bool to_daemon);
  void await_idle();
  void watch();
  bool ends_within(int milliseconds) const;

  const GateEnds ends_;
  const std::function<void()> lost_;
  const Fd listener_, ending_;  // `ending_` is readable once the gate is to end
  bool worker_seen_ = false;    // of this connection, and not gone yet
  std::jthread thread_;         // last: joined before what it uses goes
};

// What /proc says of the daemon's worker.
enum class Worker {
  idle,     // it waits for events, and none of the daemon's threads runs
  busy,     // it, or another, is at work
  none,     // the daemon has no thread of that name
  unknown,  // this host does not tell
};
Worker worker_of(pid_t daemon);
// The same of one thread's /proc/PID/task/TID/syscall (Documentation/filesystems/proc.rst).
bool waits_for_events(std::string_view syscall);

}  // namespace ktrial::channel
