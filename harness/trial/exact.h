// A deterministic trial's end state, and whether two of them are the same (docs/replay.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "harness/trial/scene.h"
#include "results/record.h"

namespace ktrial::trial {

// Holds the machine and takes its state: at the agent's last word, or where the plan's or its own
// count says. Lives while the monitor watches.
class EndState {
 public:
  explicit EndState(const Scene& scene);
  EndState(const EndState&) = delete;
  EndState& operator=(const EndState&) = delete;
  ~EndState();

  // After the wait: a machine that still runs, and whose state nobody has, is held not far from
  // here, at a count that another run can be held at.
  void take();
  // Of the trial's folder, too: registers.txt.
  results::Determinism state() const { return state_; }

 private:
  void look();
  void read_state(const vm::Hold& hold);
  bool taken() const { return !state_.held.empty(); }

  const Scene& scene_;
  std::string console_;
  results::Determinism state_;
  std::uint64_t asked_ = 0;
  bool over_ = false;
};

// Why a guest of `cpus` would hardly come through its boot; empty: it will. Linux before 6.5 starts
// its CPUs one after another, and CPU 0 waits for each in schedule(), without a PAUSE. By QEMU
// before 8.1 ("ensure fairness with icount") the others then have what is left of CPU 0's time up
// to the next timer: nothing.
std::string why_cpus_starve(std::string_view kernel_release, std::string_view qemu_version,
                            int cpus);

// Where another run is to be held, to have the state of `one`; nothing: at the agent's last word.
std::optional<std::uint64_t> hold_for(const results::Determinism& one);

// QEMU's command line, without what is the host's.
std::vector<std::string> exact_argv(const Plan& plan, vm::VmConfig config);

// The digest of a guest's RAM: of its pages that are not zero, with their places.
Result<std::string> ram_digest(const vm::GuestRam& ram);

// A trial's record and the folder of what it left.
struct ExactSide {
  const results::Determinism& state;
  std::filesystem::path folder;
};
// What differs first, for people; empty: the same run.
std::string first_parting(const ExactSide& then, const ExactSide& now);

}  // namespace ktrial::trial
