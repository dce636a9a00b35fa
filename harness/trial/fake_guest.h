// A whole guest on a clock that a test turns: its machine, what its kernel prints and what its
// agent says. For tests of the main loop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/base/fake_clock.h"
#include "harness/channel/fake_channel.h"
#include "harness/trial/plan.h"
#include "harness/vm/fake_vm.h"

namespace ktrial::trial {

class FakeGuest;

// A guest that passes, as long as nobody changes it. Times are since the machine's start.
struct GuestScript {
  using Time = std::chrono::milliseconds;
  static constexpr Time kNever = std::chrono::hours(1000);

  Time banner{300};  // the kernel's first line
  Time hello{2000};
  unsigned cpus = 2;
  std::map<unsigned, Time> last_beat;  // of a CPU; who is not named beats to the end
  Time last_progress = kNever;         // it comes every half second
  Time runs_for{5000};                 // from Run to `exit`
  wire::Exit exit;
  bool obeys_deadline = true;  // ends the workload when its time is over
  bool powers_off = true;      // when asked to
  wire::Counters before, after;
  std::vector<std::pair<Time, std::function<void(FakeGuest&)>>> happenings;
  std::function<void(FakeGuest&)> on_nmi;
  bool wakes = true;   // a copy of a template, when it is told to
  int lost_boots = 0;  // of the first boots: they come to no hello
  // It runs on another host, which says this after so many seconds.
  std::function<Result<vm::FarTimes>(double)> far;
};

class FakeGuest {
 public:
  FakeGuest(FakeClock& clock, GuestScript script);
  // Machine and channel of `plan` are this guest's from now on; it must outlive the trial.
  void install(Plan& plan);

  // What may happen, now.
  void print(const std::string& line);  // with its end
  void say(const wire::Message& message);
  void say_garbage();
  void lose_channel();
  void end(const std::string& shutdown, ExitStatus status = {});  // QMP's word; may be empty
  void freeze();  // every CPU spins: nothing is said any more

  vm::FakeVm& machine() { return *machine_; }
  std::uint64_t deadline_ns() const { return deadline_ns_; }  // that the agent was given
  int boots() const { return boots_; }
  const std::vector<wire::Resume>& awakenings() const { return awakenings_; }

 private:
  class Machine;
  void begin(const vm::VmConfig& config);
  void hello();
  void beat(unsigned cpu);
  void progress();
  void obey(const wire::Message& message);
  void run(const wire::Run& run);
  bool can_speak() const {
    return !frozen_ && machine_ && !machine_->over() && !machine_->paused();
  }

  FakeClock& clock_;
  GuestScript script_;
  Clock::time_point begun_{};
  vm::FakeVm* machine_ = nullptr;  // owned by the trial
  channel::FakeChannel* channel_ = nullptr;
  bool frozen_ = false, running_ = false, ran_ = false;
  std::uint64_t deadline_ns_ = 0;
  int boots_ = 0;
  std::vector<wire::Resume> awakenings_;
};

}  // namespace ktrial::trial
