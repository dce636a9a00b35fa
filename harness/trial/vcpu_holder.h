// Holds now one thread, now another one for a moment (`--perturb hold`): by ptrace, which needs no
// cgroup of one's own, and which the kernel ends by itself, should this process die meanwhile.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/perturb.h"

namespace ktrial::trial {

class VcpuHolder {
 public:
  struct Count {
    std::uint64_t holds = 0;
    double seconds = 0;  // of all of them
    std::string ended;   // before it was told to: why
  };
  // None of them may be its process's main thread, which is its parent's to wait for. Has held one
  // of them when it returns; ErrorKind::environment: none can be held here.
  static Result<std::unique_ptr<VcpuHolder>> start(std::vector<pid_t> threads,
                                                   const spec::Holding& holding);
  ~VcpuHolder() { stop(); }
  Count stop();    // no thread is held any more; idempotent
  bool running();  // false: it has ended by itself

 private:
  VcpuHolder(std::vector<pid_t> threads, const spec::Holding& holding)
      : threads_(std::move(threads)), holding_(holding) {}
  void work(const std::stop_token& stop);

  const std::vector<pid_t> threads_;
  const spec::Holding holding_;
  std::mutex lock_;
  Count count_;
  std::promise<Status> began_;  // the first hold
  std::jthread thread_;
};

}  // namespace ktrial::trial
