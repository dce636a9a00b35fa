// Watches one running guest and says what ended each wait.
//
// Everything that can happen arrives through handlers within Clock::wait() and is
// noted here; the wait functions wait until one closed list of reasons
// (verdict::Ending) applies or what was hoped for came. No wait is without a
// limit, and silence is a reason like any other.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "harness/autopsy/host_watch.h"
#include "harness/base/clock.h"
#include "harness/channel/channel.h"
#include "harness/console/analyzer.h"
#include "harness/trial/console_notes.h"
#include "harness/trial/last_word.h"
#include "harness/trial/measures.h"
#include "harness/trial/observer.h"
#include "harness/trial/output_folder.h"
#include "harness/trial/timeline.h"
#include "harness/trial/trace_inbox.h"
#include "harness/verdict/evidence.h"
#include "harness/vm/vm.h"

namespace ktrial::trial {

struct Limits {
  Clock::duration boot{};          // VM start to hello
  Clock::duration first_output{};  // VM start to the kernel's first line
  Clock::duration boot_silence{};  // of the console, before hello; zero: any
  Clock::duration heartbeat{};     // a CPU's silence
  Clock::duration late{};          // a beat, until the vCPUs are looked at; zero: they are not
  Clock::duration look_spacing{};
  Clock::duration fresh_beat = std::chrono::milliseconds(1500);  // beats come every second
  Clock::duration progress{};   // the workload's silence; zero: it need not show any
  Clock::duration settle{};     // a report's head until its evidence is complete
  Clock::duration aftermath{};  // a complaint's head until the trial ends, while the workload runs
  Clock::duration total{};      // the whole trial
  // By how much the above are longer because the vCPUs share host CPUs. What the host
  // really took from a vCPU is known: of time that it was given, 1/overcommit is enough.
  double overcommit = 1;
  std::vector<console::Kind> fail_on = {};  // notes of the kernel that are reports all the same
  bool unasked = false;  // a deterministic guest: it says all without being asked
  // A CPU's silence is also of so many, of all vCPUs, and the workload's of so many.
  std::uint64_t instructions = 0, progress_instructions = 0;
  std::uint64_t boot_instructions = 0;  // a boot takes as long as it has not run so many
};

class Monitor {
 public:
  // `clock` and `observer` must outlive it.
  Monitor(Clock& clock, const Limits& limits, Observer& observer);

  // Handlers to hang into the VM and the channel. The monitor must outlive both.
  vm::Vm::Sink vm_sink();
  channel::Channel::Handlers channel_handlers();
  // Another part of the machinery is gone: nothing that follows is the kernel's doing.
  void lose(std::string part, std::string reason);
  // The host turned out `factor` >= 1 times slower than the limits assume.
  void slow_down(double factor);
  // Called while a beat is late, or the console of a boot; true: a vCPU is proven stuck.
  void set_early_look(std::function<bool()> look) { early_look_ = std::move(look); }
  // From a signal handler, within a wait.
  void interrupt(int signal);
  // The clock of the trial starts. `far`: see vm::Vm::far_host().
  void begin(pid_t vm_process, vm::FarHost* far = nullptr);

  // Called wherever a wait goes on, outside of all handlers.
  void set_between(std::function<void()> call) { between_ = std::move(call); }
  void set_console_tap(std::function<void(std::string_view)> tap) { tap_ = std::move(tap); }
  // How many instructions the guest has run, of all vCPUs.
  void set_count(std::function<std::uint64_t()> count) { count_ = std::move(count); }

  // Nothing when hello came, else what came instead.
  std::optional<verdict::Ending> wait_hello();
  // Until the workload ended or something else did.
  verdict::Ending watch_workload();
  // Until the counters came (true), or `patience`, or the VM's end.
  bool wait_counters(Clock::duration patience);
  // Until something that comes from the guest is `done` (true), or `patience`, or the VM's end.
  bool wait_until(const std::function<bool()>& done, Clock::duration patience);
  // Until the VM is gone (true) or `patience`. Console output still counts.
  bool wait_vm_end(Clock::duration patience);
  // Lets late evidence arrive: until the console is quiet for `quiet`, at most `patience`.
  void settle(Clock::duration patience, Clock::duration quiet);

  const std::optional<wire::Hello>& hello() const { return hello_; }
  Clock::time_point hello_at() const { return hello_at_; }
  Clock::time_point last_console() const { return last_console_; }
  bool spoke_since_hello() const { return last_console_ > hello_at_; }  // the kernel
  const std::map<std::string, std::uint64_t>& counters() const { return counters_; }
  const TraceInbox& trace() const { return trace_; }
  const Measures& measures() const { return measures_; }
  std::string last_word() const { return last_word_.text(); }  // of the workload's output
  OutputFolder& output() { return output_; }
  const console::Analyzer& console() const { return analyzer_; }
  console::Analyzer& console() { return analyzer_; }
  // No more console will come: ends its last line.
  void end_console();
  ConsoleNotes& notes() { return notes_; }
  // Of the program's output; if that holds none, of the console.
  subtests::Summary subtests() const;
  autopsy::HostWatch& host() { return *host_; }
  Timeline& timeline() { return timeline_; }
  // All of it up to now, by the trace's clock, with what the host did.
  std::vector<trace::Mark> timeline_marks() const;
  // Since when nothing moved, as far as `ending` goes: the start of the window
  // that the host may explain.
  Clock::time_point quiet_since(const verdict::Ending& ending) const;
  // Seconds since each CPU's last beat.
  std::map<unsigned, double> last_beats_ago() const;
  const std::map<unsigned, Clock::time_point>& last_beats() const { return last_beat_; }
  // The guest's uptime of each CPU's last beat that came, ns.
  const std::map<unsigned, std::uint64_t>& beats_heard() const { return heard_; }
  // When the whole trial's time is over.
  Clock::time_point deadline() const { return begun_ + limits_.total; }
  bool vm_ended() const { return vm_ended_.has_value(); }
  const std::optional<verdict::VmEnded>& vm_end() const { return vm_ended_; }

 private:
  using Done = std::function<bool()>;
  static constexpr Clock::duration kTick = std::chrono::milliseconds(250);
  // Pumps until `done`, an ending, or `deadline`; host samples on the way. `tick`: how late a
  // silence may be noticed.
  std::optional<verdict::Ending> pump(const Done& done, Clock::time_point deadline,
                                      const std::function<std::optional<verdict::Ending>()>& check,
                                      Clock::duration tick = kTick);
  std::optional<verdict::Ending> urgent() const;
  bool reports_are_whole() const;
  std::optional<verdict::Ending> silence() const;
  bool may_look() const;
  bool look_is_proof();
  std::optional<verdict::Ending> early_silence();
  bool boot_stands();
  verdict::HeartbeatSilence quiet_cpus(Clock::duration limit) const;
  // Every CPU that ever beat did so after the workload's end, or just before it.
  bool all_outlived_the_workload() const;
  bool overdue(Clock::time_point since, Clock::duration limit, int cpu) const;
  void on_vm_event(vm::VmEvent event);
  void on_bytes(channel::StreamId stream, std::string_view bytes);
  void on_message(wire::Message message);
  void on_beat(const wire::Beat& beat);
  void note_progress();

  Clock& clock_;
  Limits limits_;
  Observer& observer_;
  console::Analyzer analyzer_;
  ConsoleNotes notes_;
  subtests::Parser output_tests_, console_tests_{subtests::Source::console};
  std::size_t findings_told_ = 0;
  wire::Decoder control_, beats_;
  std::optional<autopsy::HostWatch> host_;
  Timeline timeline_;
  Clock::time_point begun_{}, next_sample_{}, hello_at_{}, last_progress_{}, last_console_{};
  Clock::time_point first_finding_at_{};
  std::optional<Clock::time_point> work_stopped_at_;  // by a report worse than a complaint

  std::optional<wire::Hello> hello_;
  std::optional<wire::Exit> exit_;
  Clock::time_point exit_at_;
  std::map<unsigned, Clock::time_point> last_beat_;
  std::map<unsigned, std::uint64_t> count_at_beat_, heard_;
  std::uint64_t count_at_progress_ = 0;
  std::map<std::string, std::uint64_t> counters_;
  std::deque<std::map<std::string, std::uint64_t>> counters_told_;
  std::function<void()> between_;
  std::function<void(std::string_view)> tap_;
  std::function<std::uint64_t()> count_;
  TraceInbox trace_;
  Measures measures_;
  LastWord last_word_;
  OutputFolder output_;
  std::string shutdown_reason_;
  std::optional<verdict::VmEnded> vm_ended_;
  std::optional<verdict::VmStopped> vm_stopped_;
  std::optional<verdict::ChannelLost> channel_lost_;
  std::optional<verdict::ProtocolError> protocol_error_;
  std::optional<verdict::Interrupted> interrupted_;
  std::function<bool()> early_look_;
  Clock::time_point next_look_{};
};

// A signal handler can reach the monitor while this lives.
class Active {
 public:
  Active(Monitor*& place, Monitor& monitor) : place_(place) { place_ = &monitor; }
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;
  ~Active() { place_ = nullptr; }

 private:
  Monitor*& place_;
};

}  // namespace ktrial::trial
