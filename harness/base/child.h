// Child: sole owner of a child process and of its process group.
//
// Caveats that shaped it:
//  - The child dies with the thread that started it (PR_SET_PDEATHSIG): start
//    children from the main thread only. The parent is re-checked after prctl,
//    which closes the race with a parent that died in between.
//  - We hold a pidfd, so a signal can never hit a recycled pid, and we reap by
//    waitid(P_PIDFD) ourselves: Boost.Process v2 (1.81) launches the child, its
//    own handle is given up at once because it does not reap in every path.
//  - Every descriptor but 0-2 and `inherit` is closed in the child.
//  - Destruction kills the whole group and waits for the child.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial {

struct ExitStatus {
  bool signaled = false;
  int value = 0;      // exit status or signal number
  bool known = true;  // false: it was another's child, who does not say
  std::string text() const;
};

class Child {
 public:
  struct Options {
    std::filesystem::path program;  // absolute, see find_program()
    std::vector<std::string> arguments;
    std::vector<int> inherit;  // descriptors that keep their number in the child
    int standard_output = -1;  // -1: /dev/null; standard input always is
    int standard_error = -1;
    int death_signal = 9;                                      // sent to the child when ktrial dies
    std::filesystem::path directory = {};                      // empty: ours
    std::optional<std::vector<std::string>> environment = {};  // "NAME=value"; nothing: ours
  };
  static Result<Child> start(boost::asio::io_context& io, const Options& options);

  Child(Child&&) noexcept;
  Child& operator=(Child&&) noexcept;
  ~Child();

  pid_t pid() const;
  // Calls `handler` once, from the io_context, when the child has ended.
  void on_exit(std::function<void(ExitStatus)> handler);
  // Reaps if it has ended.
  std::optional<ExitStatus> poll();
  // Blocks until it has ended, however long that takes, and reaps.
  ExitStatus wait();
  void signal(int number);
  // SIGKILL to the group, then reap. Idempotent.
  void kill();

 private:
  struct State;
  explicit Child(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// Looks `name` up in PATH; a name with a slash is taken as it is.
std::optional<std::filesystem::path> find_program(const std::string& name);

}  // namespace ktrial
