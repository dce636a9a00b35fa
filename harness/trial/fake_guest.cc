#include "harness/trial/fake_guest.h"

#include <utility>

namespace ktrial::trial {
using namespace std::chrono_literals;

// Tells its guest when it starts and when it is gone.
class FakeGuest::Machine final : public vm::FakeVm {
 public:
  explicit Machine(FakeGuest& guest) : FakeVm(guest.clock_), guest_(guest) {
    guest_.machine_ = this;
    on_nmi = [this] {
      if (guest_.script_.on_nmi) guest_.script_.on_nmi(guest_);
    };
  }
  ~Machine() override { guest_.machine_ = nullptr; }
  Status start(Sink sink) override {
    KTRIAL_TRY(FakeVm::start(std::move(sink)));
    guest_.begin();
    return {};
  }

 private:
  FakeGuest& guest_;
};

FakeGuest::FakeGuest(FakeClock& clock, GuestScript script)
    : clock_(clock), script_(std::move(script)) {}

void FakeGuest::install(Plan& plan) {
  plan.vmm.make = [this](const vm::VmConfig&) -> Result<std::unique_ptr<vm::Vm>> {
    return std::make_unique<Machine>(*this);
  };
  plan.make_channel =
      [this](const std::filesystem::path&) -> Result<std::unique_ptr<channel::Channel>> {
    auto made = std::make_unique<channel::FakeChannel>(
        [this](const wire::Message& message) { obey(message); });
    channel_ = made.get();
    return made;
  };
}

void FakeGuest::begin() {
  begun_ = clock_.now();
  clock_.after(script_.banner, [this] {
    print("[    0.000000] Linux version 6.1.0-fake (a@b) (gcc 12, GNU ld 2.40) #1 SMP");
  });
  clock_.after(script_.hello, [this] {
    if (!can_speak()) return;
    say(wire::Hello{.possible_cpus = script_.cpus,
                    .online_cpus = script_.cpus,
                    .kernel_release = "6.1.0-fake"});
    for (unsigned cpu = 0; cpu < script_.cpus; ++cpu) beat(cpu);
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
