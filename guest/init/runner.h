// Runs one workload at a time and tells about it in messages. Does not wait:
// the owner's poll loop calls it. Not thread-safe.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "guest/init/progress_lines.h"
#include "guest/wire/wire.h"

namespace ktrial::init {

class Runner {
 public:
  using Send = std::function<void(const wire::Message&)>;
  // `alone`: this process is PID 1 of a machine of its own. Then a workload's
  // leftovers are all processes that remain, wherever they moved, and
  // max_processes is enforced by a cgroup (root is exempt from RLIMIT_NPROC).
  // Else only the process group is killed.
  Runner(bool alone, Send send);
  ~Runner();  // kills what runs and closes the pipes; the child is left to be reaped
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Starts a workload. If it cannot be started, Exit{not_started} is sent; if
  // one still runs, a Log.
  void start(const wire::Run& run);
  bool running() const { return running_; }

  // Descriptors to be polled, and what to do with one that is ready.
  void append_polls(std::vector<pollfd>& polls) const;
  void on_ready(int fd);
  // A child that the owner reaped; `status` as of waitpid.
  void on_reaped(pid_t pid, int status);
  // When on_time wants to be called next (CLOCK_MONOTONIC), if ever.
  std::optional<std::uint64_t> wakes_at() const;
  void on_time(std::uint64_t now_ns);

 private:
  struct Pipe {
    int fd = -1;
    std::optional<wire::Stream> stream;  // none: the progress pipe
  };
  void kill_all();
  void drained();
  void finish();
  void close_pipes();
  int limit_processes(std::uint64_t most);

  const bool alone_;
  const Send send_;
  bool running_ = false;
  bool reaped_ = false;
  bool deadline_passed_ = false;
  pid_t pid_ = -1;
  std::uint64_t began_ns_ = 0;
  std::optional<std::uint64_t> deadline_ns_;  // when to kill
  std::optional<std::uint64_t> give_up_ns_;  // when not to wait for its death or its pipes any more
  wire::Exit exit_;
  std::vector<Pipe> pipes_;
  ProgressLines lines_;
};

}  // namespace ktrial::init
