#include "harness/vm/fake_vm.h"

#include <sys/socket.h>

#include <utility>

namespace ktrial::vm {

FakeVm::FakeVm(FakeClock& clock, std::vector<Step> script)
    : clock_(clock), script_(std::move(script)) {}
FakeVm::~FakeVm() { *alive_ = false; }

Status FakeVm::start(Sink sink) {
  sink_ = std::move(sink);
  state_ = "running";
  step(0);
  return {};
}

void FakeVm::step(std::size_t index) {
  if (index >= script_.size()) return;
  clock_.after(script_[index].after, [this, index, alive = alive_] {
    if (!*alive) return;
    happen(script_[index].event);
    step(index + 1);
  });
}

void FakeVm::happen(VmEvent event) {
  if (over()) return;
  if (paused_) return held_.push_back(std::move(event));
  if (std::holds_alternative<Stopped>(event)) state_ = "internal-error";
  if (std::holds_alternative<GuestShutdown>(event)) state_ = "shutdown";
  exited_ = std::holds_alternative<Exited>(event);
  sink_(std::move(event));
}

Status FakeVm::answers() const {
  if (mute) return std::unexpected(*mute);
  if (over()) return fail(ErrorKind::environment, "the machine is gone");
  return {};
}

Result<Fd> FakeVm::take_port(const std::string& port_name) {
  if (!sink_) return fail(ErrorKind::internal, "the machine was not started");
  if (guest_ends.contains(port_name))
    return fail(ErrorKind::internal, "port " + port_name + " was taken");
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("socketpair", errno);
  guest_ends[port_name].reset(ends[1]);
  return Fd(ends[0]);
}

Result<std::vector<VcpuSample>> FakeVm::sample_vcpus(std::chrono::milliseconds) {
  KTRIAL_TRY(answers());
  ++looks;
  return samples;
}

Status FakeVm::pause(std::chrono::milliseconds) {
  KTRIAL_TRY(answers());
  paused_ = true;
  state_ = "paused";
  return {};
}

Status FakeVm::resume(std::chrono::milliseconds) {
  KTRIAL_TRY(answers());
  if (!std::exchange(paused_, false)) return {};
  state_ = "running";
  for (auto held = std::exchange(held_, {}); !held.empty(); held.pop_front())
    happen(std::move(held.front()));
  return {};
}

Result<GuestRam> FakeVm::ram(std::chrono::milliseconds) {
  if (mute) return std::unexpected(*mute);
  if (!memory) return fail(ErrorKind::environment, "a scripted machine has no RAM");
  return *std::exchange(memory, std::nullopt);
}

Status FakeVm::inject_nmi(std::chrono::milliseconds) {
  KTRIAL_TRY(answers());
  ++nmis;
  if (on_nmi) on_nmi();
  return {};
}

Result<std::string> FakeVm::status(std::chrono::milliseconds) {
  KTRIAL_TRY(answers());
  return state_;
}

void FakeVm::destroy() {
  sink_ = nullptr;
  held_.clear();
}

}  // namespace ktrial::vm
