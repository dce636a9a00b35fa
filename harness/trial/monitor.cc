#include "harness/trial/monitor.h"

#include <algorithm>

#include "harness/spec/timeouts.h"
#include "harness/trial/judgement.h"

namespace ktrial::trial {
using verdict::Ending;

namespace {
// A silence counts only the time that the host gave the guest, but not for ever.
constexpr int kPatience = 3;
}  // namespace

Monitor::Monitor(Clock& clock, const Limits& limits, Observer& observer)
    : clock_(clock), limits_(limits), observer_(observer), analyzer_(limits.fail_on) {}

void Monitor::begin(pid_t vm_process, vm::FarHost* far) {
  begun_ = last_console_ = clock_.now();
  next_sample_ = begun_;
  host_.emplace(vm_process);
  if (far != nullptr)
    host_->ask([far] { return far->times(spec::host_wait(spec::HostWait::host_load)); });
  timeline_.phase(begun_, "boot");
}

vm::Vm::Sink Monitor::vm_sink() {
  return [this](vm::VmEvent event) { on_vm_event(std::move(event)); };
}

channel::Channel::Handlers Monitor::channel_handlers() {
  return {[this](channel::StreamId stream, std::string_view bytes) { on_bytes(stream, bytes); },
          [this](std::string reason) {
            observer_.on_event("channel-lost", reason);
            channel_lost_ = verdict::ChannelLost{std::move(reason)};
          }};
}

void Monitor::lose(std::string part, std::string reason) {
  observer_.on_event("lost", part + ": " + reason);
  channel_lost_ = verdict::ChannelLost{std::move(reason), std::move(part)};
}

void Monitor::end_console() {
  analyzer_.finish();
  notes_.finish();
}

void Monitor::slow_down(double factor) {
  // Not that of beats: there, time that the host took is not counted anyway.
  for (Clock::duration* limit : {&limits_.progress, &limits_.settle, &limits_.aftermath})
    *limit = std::chrono::duration_cast<Clock::duration>(*limit * factor);
}

void Monitor::interrupt(int signal) { interrupted_ = verdict::Interrupted{signal}; }

void Monitor::on_vm_event(vm::VmEvent event) {
  if (auto* console = std::get_if<vm::ConsoleBytes>(&event)) {
    last_console_ = clock_.now();
    if (tap_) tap_(console->bytes);
    observer_.on_console(console->bytes);
    analyzer_.feed(console->bytes);
    notes_.feed(console->bytes);
    console_tests_.feed(console->bytes);
    const auto& findings = analyzer_.findings();
    if (!findings.empty() && findings_told_ == 0) first_finding_at_ = clock_.now();
    for (; findings_told_ < findings.size(); ++findings_told_) {
      const console::Finding& finding = findings[findings_told_];
      if (!work_stopped_at_ && finding.severity >= console::kStopsWork)
        work_stopped_at_ = clock_.now();
      observer_.on_finding(finding);
    }
  } else if (auto* shutdown = std::get_if<vm::GuestShutdown>(&event)) {
    shutdown_reason_ = shutdown->reason;
    observer_.on_event("guest-shutdown", shutdown->reason);
  } else if (auto* stopped = std::get_if<vm::Stopped>(&event)) {
    observer_.on_event("vm-stopped", stopped->reason);
    if (shutdown_reason_.empty()) vm_stopped_ = verdict::VmStopped{stopped->reason};
  } else if (auto* exited = std::get_if<vm::Exited>(&event)) {
    observer_.on_event("vm-exited", exited->status.text());
    vm_ended_ = verdict::VmEnded{shutdown_reason_, exited->status, exited->last_words};
  }
}

void Monitor::on_bytes(channel::StreamId stream, std::string_view bytes) {
  wire::Decoder& decoder = stream == channel::StreamId::control ? control_ : beats_;
  decoder.feed(bytes);
  while (auto message = decoder.next()) on_message(std::move(*message));
  if (!decoder.error().empty() && !protocol_error_) {
    observer_.on_event("protocol-error", decoder.error());
    protocol_error_ = verdict::ProtocolError{decoder.error()};
  }
}

void Monitor::on_message(wire::Message message) {
  const auto now = clock_.now();
  if (auto* beat = std::get_if<wire::Beat>(&message)) {
    on_beat(*beat);
  } else if (auto* hello = std::get_if<wire::Hello>(&message)) {
    hello_ = std::move(*hello);
    hello_at_ = now;
    note_progress();
    observer_.on_event("hello", hello_->kernel_release);
  } else if (auto* output = std::get_if<wire::Output>(&message)) {
    note_progress();
    observer_.on_output(output->stream, output->bytes);
    last_word_.feed(output->bytes);
    if (output->stream == wire::Stream::out) output_tests_.feed(output->bytes);
  } else if (auto* progress = std::get_if<wire::Progress>(&message)) {
    note_progress();
    measures_.take(progress->text);
    timeline_.progress(now, *progress);
    observer_.on_progress(*progress);
  } else if (auto* exit = std::get_if<wire::Exit>(&message)) {
    exit_ = std::move(*exit);
    exit_at_ = now;
    observer_.on_event("workload-exit", std::to_string(exit_->value) + " " + exit_->detail);
  } else if (auto* counters = std::get_if<wire::Counters>(&message)) {
    constexpr std::size_t kMostTold = 8;  // a hostile guest tells no end
    if (counters_told_.size() < kMostTold)
      counters_told_.emplace_back(counters->values.begin(), counters->values.end());
  } else if (auto* log = std::get_if<wire::Log>(&message)) {
    observer_.on_event("agent", log->text);
  } else if (auto* clocks = std::get_if<wire::Clocks>(&message)) {
    timeline_.clocks(now, *clocks);
  } else if (!output_.take(message)) {
    trace_.take(message);
  }
}

void Monitor::on_beat(const wire::Beat& beat) {
  // A guest cannot have more CPUs than QEMU allows; more is a hostile stream.
  if (last_beat_.size() > 4096 && !last_beat_.contains(beat.cpu)) return;
  last_beat_[beat.cpu] = clock_.now();
  heard_[beat.cpu] = beat.uptime_ns;
  if (count_) count_at_beat_[beat.cpu] = count_();
  timeline_.beat(last_beat_[beat.cpu], beat);
}

// A complaint does not stop the work: an oops may come of it, which says more.
bool Monitor::reports_are_whole() const {
  if (analyzer_.findings().empty()) return false;
  const auto now = clock_.now();
  if (work_stopped_at_ && now - *work_stopped_at_ >= limits_.settle) return true;
  const bool working = hello_ && !exit_;
  const auto patience = working ? std::max(limits_.settle, limits_.aftermath) : limits_.settle;
  return !work_stopped_at_ && now - first_finding_at_ >= patience;
}

// What ends any wait at once.
std::optional<Ending> Monitor::urgent() const {
  if (interrupted_) return *interrupted_;
  if (vm_ended_) return *vm_ended_;
  if (vm_stopped_) return *vm_stopped_;
  if (reports_are_whole()) return verdict::ConsoleReport{};
  if (protocol_error_) return *protocol_error_;
  // A closed stream is often the first sign of a VM that is about to end: its
  // exit, if it comes, says more.
  if (channel_lost_) return *channel_lost_;
  if (clock_.now() - begun_ >= limits_.total)
    return verdict::DeadlinePassed{in_seconds(limits_.total)};
  return std::nullopt;
}

bool Monitor::overdue(Clock::time_point since, Clock::duration limit, int cpu) const {
  const auto silent = clock_.now() - since;
  if (silent < limit) return false;
  return silent >= kPatience * limit ||
         in_seconds(silent) - host_->lost_s(since, cpu) >= in_seconds(limit) / limits_.overcommit;
}

verdict::HeartbeatSilence Monitor::quiet_cpus(Clock::duration limit) const {
  const auto now = clock_.now();
  verdict::HeartbeatSilence out{.cpus = {}, .of = static_cast<unsigned>(last_beat_.size())};
  for (const auto& [cpu, at] : last_beat_) {
    if (!overdue(at, limit, static_cast<int>(cpu))) continue;
    if (const auto beat = count_at_beat_.find(cpu);
        count_ && beat != count_at_beat_.end() && count_() - beat->second < limits_.instructions)
      continue;
    out.cpus.push_back(cpu);
    out.seconds = std::max(out.seconds, in_seconds(now - at));
  }
  return out;
}

bool Monitor::all_outlived_the_workload() const {
  return std::ranges::all_of(
      last_beat_, [&](const auto& beat) { return beat.second >= exit_at_ - limits_.fresh_beat; });
}

void Monitor::note_progress() {
  last_progress_ = clock_.now();
  count_at_progress_ = count_ ? count_() : 0;
}

std::optional<Ending> Monitor::silence() const {
  const auto now = clock_.now();
  if (auto quiet = quiet_cpus(limits_.heartbeat); !quiet.cpus.empty()) return quiet;
  if (last_beat_.empty() && overdue(hello_at_, limits_.heartbeat, -1))
    return verdict::HeartbeatSilence{{}, 0, in_seconds(now - hello_at_)};
  const bool ran = !count_ || count_() - count_at_progress_ >= limits_.progress_instructions;
  if (limits_.progress > Clock::duration::zero() && ran &&
      overdue(last_progress_, limits_.progress, -1)) {
    // Beats come every second: a CPU that missed several says more than the workload.
    // Its own limit judges it, later than the kernel's detectors, which so speak first.
    if (quiet_cpus(limits_.heartbeat / 3).cpus.empty())
      return verdict::ProgressSilence{in_seconds(now - last_progress_)};
  }
  return std::nullopt;
}

bool Monitor::may_look() const {
  return early_look_ && limits_.late > Clock::duration::zero() && clock_.now() >= next_look_;
}

bool Monitor::look_is_proof() {
  const bool proven = early_look_();
  next_look_ = clock_.now() + limits_.look_spacing;
  return proven;
}

// Before a silence is long enough to be judged by its length.
std::optional<Ending> Monitor::early_silence() {
  if (!may_look()) return std::nullopt;
  auto quiet = quiet_cpus(limits_.late);
  if (quiet.cpus.empty() || !look_is_proof()) return std::nullopt;
  quiet.early = true;
  return quiet;
}

// One CPU alone, with interrupts off, may set up a large memory for long: that is not looked at.
bool Monitor::boot_stands() {
  const auto silent = clock_.now() - last_console_;
  if (limits_.boot_silence > Clock::duration::zero() &&
      overdue(last_console_, limits_.boot_silence, -1))
    return true;
  return notes_.cpus_are_up() && silent >= limits_.late && may_look() && look_is_proof();
}

std::optional<Ending> Monitor::pump(const Done& done, Clock::time_point deadline,
                                    const std::function<std::optional<Ending>()>& check,
                                    Clock::duration tick) {
  for (;;) {
    if (between_) between_();
    if (done()) return std::nullopt;
    if (auto ending = check()) return ending;
    const auto now = clock_.now();
    if (now >= deadline) return verdict::DeadlinePassed{in_seconds(now - begun_)};
    if (now >= next_sample_) {
      host_->sample(now);
      next_sample_ = now + std::chrono::seconds(1);
    }
    clock_.wait(std::min(deadline, now + tick));
  }
}

std::optional<Ending> Monitor::wait_hello() {
  return pump([&] { return hello_.has_value(); }, begun_ + kPatience * limits_.boot,
              [&]() -> std::optional<Ending> {
                if (auto ending = urgent()) return ending;
                if (count_ && count_() < limits_.boot_instructions) return std::nullopt;
                const bool mute = !analyzer_.saw_kernel_line();
                if ((mute && overdue(begun_, limits_.first_output, -1)) ||
                    overdue(begun_, limits_.boot, -1) || boot_stands())
                  return verdict::DeadlinePassed{in_seconds(clock_.now() - begun_)};
                return std::nullopt;
              });
}

std::vector<trace::Mark> Monitor::timeline_marks() const {
  return timeline_.marks(host_ ? host_->troubles() : std::vector<autopsy::HostTrouble>(),
                         clock_.now());
}

Ending Monitor::watch_workload() {
  note_progress();
  // The workload may end well while a CPU hangs: that is waited for.
  auto ending =
      pump([&] { return exit_ && analyzer_.findings().empty() && all_outlived_the_workload(); },
           deadline(),
           [&]() -> std::optional<Ending> {
             if (auto now = urgent()) return now;
             if (auto early = early_silence()) return early;
             if (!exit_) return silence();
             if (auto quiet = quiet_cpus(limits_.heartbeat); !quiet.cpus.empty()) return quiet;
             return std::nullopt;
           });
  if (ending) return *ending;
  return verdict::AgentResult{*exit_};
}

bool Monitor::wait_until(const std::function<bool()>& done, Clock::duration patience) {
  (void)pump(done, clock_.now() + patience, [&]() -> std::optional<Ending> {
    if (vm_ended_) return *vm_ended_;
    if (interrupted_) return *interrupted_;
    if (channel_lost_) return *channel_lost_;
    if (protocol_error_) return *protocol_error_;
    return std::nullopt;
  });
  return done();
}

bool Monitor::wait_counters(Clock::duration patience) {
  if (!limits_.unasked) counters_told_.clear();  // answers that nobody waited for
  if (!wait_until([&] { return !counters_told_.empty(); }, patience)) return false;
  counters_ = std::move(counters_told_.front());
  counters_told_.pop_front();
  return true;
}

bool Monitor::wait_vm_end(Clock::duration patience) {
  (void)pump([&] { return vm_ended_.has_value(); }, clock_.now() + patience,
             [&]() -> std::optional<Ending> {
               if (interrupted_) return *interrupted_;
               return std::nullopt;
             });
  return vm_ended_.has_value();
}

void Monitor::settle(Clock::duration patience, Clock::duration quiet) {
  const auto begin = clock_.now();
  (void)pump([&] { return vm_ended_ || clock_.now() - std::max(begin, last_console_) >= quiet; },
             begin + patience,
             [&]() -> std::optional<Ending> {
               if (interrupted_) return *interrupted_;
               return std::nullopt;
             },
             std::min(kTick, quiet));
}

subtests::Summary Monitor::subtests() const {
  return chosen(output_tests_.summary(), console_tests_.summary());
}

std::map<unsigned, double> Monitor::last_beats_ago() const {
  std::map<unsigned, double> out;
  for (const auto& [cpu, at] : last_beat_) out[cpu] = in_seconds(clock_.now() - at);
  return out;
}

Clock::time_point Monitor::quiet_since(const Ending& ending) const {
  if (std::holds_alternative<verdict::ProgressSilence>(ending)) return last_progress_;
  // A detector reports a stall that began before: about as long ago as we wait ourselves.
  if (std::holds_alternative<verdict::ConsoleReport>(ending))
    return std::max(begun_, first_finding_at_ - limits_.heartbeat);
  auto oldest = std::max(begun_, hello_at_);
  if (last_beat_.empty()) return oldest;
  return std::ranges::min_element(last_beat_, {}, [](const auto& beat) { return beat.second; })
      ->second;
}

}  // namespace ktrial::trial
