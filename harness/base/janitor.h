// Janitor: removes what a killed ktrial left behind.
//
// Destructors do the normal clean-up. After SIGKILL nothing of ours runs, so a
// small forked process waits for the end of its pipe to us and then removes
// the directories still on its list. Child processes need no janitor: they
// die with their parent (child.h).
#pragma once

#include <filesystem>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial {

class Janitor {
 public:
  // Forks; call before any thread exists. The janitor ignores terminal signals
  // and ends by itself when the last copy of the pipe's write end is gone.
  static Result<Janitor> start();
  // Remove `path` (absolute) and all below it if we die.
  void watch(const std::filesystem::path& path);
  void forget(const std::filesystem::path& path);

 private:
  explicit Janitor(Fd pipe) : pipe_(std::move(pipe)) {}
  void tell(char verb, const std::filesystem::path& path);
  Fd pipe_;
};

}  // namespace ktrial
