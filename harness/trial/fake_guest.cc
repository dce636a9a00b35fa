#include "harness/trial/fake_guest.h"

#include <fcntl.h>

#include <utility>

#include "harness/base/file.h"

namespace ktrial::trial {
using namespace std::chrono_literals;

// Tells its guest when it starts and when it is gone. What it saves are a few bytes.
class FakeGuest::Machine final : public vm::FakeVm, private vm::Resumable, private vm::FarHost {
 public:
  Machine(FakeGuest& guest, const vm::VmConfig& config)
      : FakeVm(guest.clock_), guest_(guest), config_(config) {
    guest_.machine_ = this;
    on_nmi = [this] {
      if (guest_.script_.on_nmi) guest_.script_.on_nmi(guest_);
    };
  }
  ~Machine() override { guest_.machine_ = nullptr; }
  Status start(Sink sink) override {
    KTRIAL_TRY(FakeVm::start(std::move(sink)));
    guest_.begin(config_);
    return {};
  }
  vm::Resumable* resumable() override { return config_.keep ? this : nullptr; }
  vm::FarHost* far_host() override { return guest_.script_.far ? this : nullptr; }

 private:
  Status save(std::chrono::milliseconds) override {
    KTRIAL_TRY(write_file_atomically(config_.keep->ram, "ram"));
    return write_file_atomically(config_.keep->devices, "devices");
  }
  Result<vm::FarTimes> times(std::chrono::milliseconds) override {
    return guest_.script_.far(in_seconds(guest_.clock_.now() - guest_.begun_));
  }
  FakeGuest& guest_;
  const vm::VmConfig config_;
};

FakeGuest::FakeGuest(FakeClock& clock, GuestScript script)
    : clock_(clock), script_(std::move(script)) {}

void FakeGuest::install(Plan& plan) {
  plan.vmm.make = [this](const vm::VmConfig& config) -> Result<std::unique_ptr<vm::Vm>> {
    if (config.keep) KTRIAL_TRY(open_file(config.keep->ram, O_RDWR | O_CLOEXEC));
    return std::make_unique<Machine>(*this, config);
  };
  const auto make = [this]() -> Result<std::unique_ptr<channel::Channel>> {
    auto made = std::make_unique<channel::FakeChannel>(
        [this](const wire::Message& message) { obey(message); });
    channel_ = made.get();
    return made;
  };
  plan.make_channel = [make](const std::filesystem::path&) { return make(); };
  plan.make_parking = make;
}

void FakeGuest::hello() {
  say(wire::Hello{
      .possible_cpus = script_.cpus, .online_cpus = script_.cpus, .kernel_release = "6.1.0-fake"});
}

void FakeGuest::begin(const vm::VmConfig& config) {
  begun_ = clock_.now();
  if (config.resume) return;  // it waits to be told who it is
  ++boots_;
  clock_.after(script_.banner, [this] {
    print("[    0.000000] Linux version 6.1.0-fake (a@b) (gcc 12, GNU ld 2.40) #1 SMP");
  });
  if (boots_ <= script_.lost_boots) return;
  const bool parks = config.command_line.starts_with("ktrial.park=1 ");
  clock_.after(script_.hello, [this, parks] {
    if (!can_speak()) return;
    hello();
    for (unsigned cpu = 0; cpu < script_.cpus && !parks; ++cpu) beat(cpu);
  });
  for (const auto& [when, what] : script_.happenings)
    clock_.after(when, [this, what = what] {
      if (machine_ && !machine_->over()) what(*this);
    });
}

void FakeGuest::beat(unsigned cpu) {
  const auto last = script_.last_beat.find(cpu);
  if (last != script_.last_beat.end() && clock_.now() > begun_ + last->second) return;
  if (can_speak()) say(wire::Beat{.cpu = cpu});
  if (machine_) clock_.after(1s, [this, cpu] { beat(cpu); });
}

void FakeGuest::progress() {
  if (!running_ || clock_.now() > begun_ + script_.last_progress) return;
  if (can_speak()) say(wire::Progress{});
  if (machine_) clock_.after(500ms, [this] { progress(); });
}

void FakeGuest::obey(const wire::Message& message) {
  // The agent answers a little later, as messages take their time.
  clock_.after(1ms, [this, message] {
    if (!can_speak()) return;
    if (const auto* run_it = std::get_if<wire::Run>(&message)) {
      run(*run_it);
    } else if (const auto* resume = std::get_if<wire::Resume>(&message)) {
      awakenings_.push_back(*resume);
      if (!script_.wakes) return;
      hello();
      for (unsigned cpu = 0; cpu < script_.cpus; ++cpu) beat(cpu);
    } else if (std::holds_alternative<wire::ReadCounters>(message)) {
      say(ran_ ? script_.after : script_.before);
    } else if (std::holds_alternative<wire::PowerOff>(message) && script_.powers_off) {
      end("guest-shutdown");
    }
  });
}

void FakeGuest::run(const wire::Run& run) {
  running_ = true;
  deadline_ns_ = run.deadline_ns;
  progress();
  const auto finish = [this](wire::Exit exit) {
    if (!running_ || !can_speak()) return;
    running_ = false;
    ran_ = true;
    say(std::move(exit));
  };
  clock_.after(script_.runs_for, [this, finish] { finish(script_.exit); });
  if (script_.obeys_deadline)
    clock_.after(std::chrono::nanoseconds(run.deadline_ns),
                 [finish] { finish({.kind = wire::ExitKind::deadline}); });
}

void FakeGuest::print(const std::string& line) {
  if (machine_) machine_->happen(vm::ConsoleBytes{line + "\n"});
}
void FakeGuest::say(const wire::Message& message) { channel_->say(message); }
void FakeGuest::say_garbage() {
  channel_->say_bytes(channel::StreamId::control, "GET / HTTP/1.1\r\n\r\n garbage garbage");
}
void FakeGuest::lose_channel() { channel_->lose("the stream was closed"); }
void FakeGuest::end(const std::string& shutdown, ExitStatus status) {
  if (!shutdown.empty()) machine_->happen(vm::GuestShutdown{shutdown});
  machine_->happen(vm::Exited{status, ""});
}
void FakeGuest::freeze() { frozen_ = true; }

}  // namespace ktrial::trial
