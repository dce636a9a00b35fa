// A bisection of real kernels: the engine decides, the lab does, the journal
// remembers. Killed at any point, it goes on where it was.
#pragma once

#include <functional>
#include <string>

#include "harness/bisect/engine.h"
#include "harness/bisect/journal.h"
#include "harness/bisect/lab.h"

namespace ktrial::bisect {

struct HowToRun {
  int at_once = 1;         // trials of one kernel
  bool speculate = false;  // make the kernel that may be next while trials run
};

// Hears what happens; from the calling thread.
struct Watcher {
  std::function<void(const std::string&)> step = [](const std::string&) {};
  std::function<void(const Engine&, const Step&)> state = [](const Engine&, const Step&) {};
};

// Goes on until there is an answer, which is any Step but a TestCommit. An Error means
// that ktrial could not work, or was interrupted: the journal knows all until then.
Result<Step> run_session(Engine& engine, Lab& lab, Journal& journal, const Watcher& watcher,
                         const HowToRun& how = {});

// A commit whose trials give no verdict so many times in a row cannot be tested.
inline constexpr int kMaxUnjudged = 3;

}  // namespace ktrial::bisect
