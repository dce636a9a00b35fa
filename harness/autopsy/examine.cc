#include "harness/autopsy/examine.h"

#include <algorithm>
#include <map>

namespace ktrial::autopsy {
using std::chrono::milliseconds;

namespace {

constexpr int kLooks = 4;  // enough to tell a loop from passing through
constexpr std::size_t kMaxLooks = 64;
constexpr milliseconds kSpacing{150}, kProofSpacing{500};

class Examination {
 public:
  explicit Examination(const Subject& subject) : subject_(subject), looks_(subject.before.of) {}

  Autopsy run() {
    while (look()) {
      conclude();
      if (subject_.stands_still || (autopsy_.looks >= kLooks && !needs_more())) break;
      const bool proving = autopsy_.looks >= kLooks;
      if (!go_on(proving ? kProofSpacing : kSpacing)) break;
    }
    if (inspector_ && !ended_) {
      autopsy_.access = inspector_->access();
      if (inspector_->view() == nullptr) be_blind(first_trouble());
      autopsy_.blocked = inspector_->blocked(none_works());
      autopsy_.kernel_log = inspector_->kernel_log();
      if (const auto* view = inspector_->view(); view != nullptr && subject_.trace)
        autopsy_.trace = subject_.trace(*view, autopsy_.kernel_log);
      const auto notes = inspector_->notes();
      autopsy_.notes.insert(autopsy_.notes.end(), notes.begin(), notes.end());
    }
    autopsy_.seconds = seconds_since_begin();
    if (inspector_ && !ended_ && !subject_.core.empty()) write_core();
    return std::move(autopsy_);
  }

 private:
  double seconds_since_begin() const {
    return std::chrono::duration<double>(subject_.clock.now() - begun_).count();
  }

  // Pauses and looks at every vCPU; false: cannot.
  bool look() {
    if (auto paused = subject_.vm.pause(subject_.monitor_patience); !paused)
      return note(paused.error().message);
    const auto now = subject_.clock.now();
    subject_.host.sample(now);
    if (autopsy_.looks == 0) first_look_ = subject_.before.of.empty() ? now : subject_.before.first;
    if (!inspector_ && subject_.inspect && autopsy_.looks == 0) open_inspector();
    auto samples = subject_.vm.sample_vcpus(subject_.monitor_patience);
    if (!samples) return note(samples.error().message);
    for (const vm::VcpuSample& vcpu : *samples) {
      Look look{.registers = vcpu};
      if (inspector_ && !vcpu.user_mode) look.stack = inspector_->stack(vcpu);
      auto& looks = looks_[vcpu.cpu];
      looks.push_back(std::move(look));
      if (looks.size() > kMaxLooks) looks.erase(looks.begin());
    }
    ++autopsy_.looks;
    return true;
  }

  void open_inspector() {
    auto ram = subject_.vm.ram(subject_.monitor_patience);
    if (!ram) return be_blind(ram.error().message);
    auto opened = subject_.inspect(std::move(*ram));
    if (!opened) return be_blind(opened.error().message);
    inspector_ = std::move(*opened);
  }

  void be_blind(const std::string& why) {
    autopsy_.blind = why;
    note("no look into the guest's memory: " + why);
  }
  std::string first_trouble() const {
    for (const Access& one : autopsy_.access)
      if (!one.trouble.empty()) return one.part + ": " + one.trouble;
    return "the kernel's structures cannot be read";
  }

  bool go_on(milliseconds time) {
    if (auto resumed = subject_.vm.resume(subject_.monitor_patience); !resumed)
      return note(resumed.error().message);
    ended_ = !subject_.let_run(time);
    if (ended_) note("the guest ended while it was looked at");
    return !ended_;
  }

  void conclude() {
    const HostEvidence host = subject_.host.since(first_look_);
    autopsy_.vcpus.clear();
    for (const auto& [cpu, looks] : looks_) {
      std::optional<VcpuUse> use;
      for (const VcpuUse& one : host.vcpus)
        if (one.cpu == cpu) use = one;
      VcpuState state = classify(looks, use);
      if (inspector_) state.task = inspector_->task(cpu);
      autopsy_.vcpus.push_back(std::move(state));
    }
    autopsy_.culprit = find_culprit(autopsy_.vcpus, subject_.proof_s);
  }

  // At a single look a CPU may be at its heartbeat.
  bool none_works() const {
    return !looks_.empty() && std::ranges::all_of(looks_, [](const auto& one) {
      const auto halted =
          std::ranges::count_if(one.second, [](const Look& look) { return look.registers.halted; });
      return 2 * static_cast<std::size_t>(halted) >= one.second.size();
    });
  }

  bool needs_more() const {
    if (!subject_.wants_proof || seconds_since_begin() * 1000 >= subject_.proof_patience.count())
      return false;
    // Somebody who may yet be proven guilty, or whom the host has not let run at all.
    const bool open = std::ranges::any_of(autopsy_.vcpus, [](const VcpuState& vcpu) {
      return vcpu.what == VcpuClass::spinning || vcpu.what == VcpuClass::spinning_irqs_off ||
             vcpu.what == VcpuClass::starved;
    });
    return open && !(autopsy_.culprit && autopsy_.culprit->proven);
  }

  void write_core() {
    std::vector<vm::VcpuSample> registers;
    for (const auto& [cpu, looks] : looks_) registers.push_back(looks.back().registers);
    if (auto written = inspector_->write_core(subject_.core, registers); !written)
      note("no core file: " + written.error().message);
  }

  bool note(std::string text) {
    autopsy_.notes.push_back(std::move(text));
    return false;
  }

  const Subject& subject_;
  const Clock::time_point begun_ = subject_.clock.now();
  Clock::time_point first_look_ = begun_;
  std::unique_ptr<Inspector> inspector_;
  std::map<unsigned, std::vector<Look>> looks_;
  Autopsy autopsy_;
  bool ended_ = false;
};

}  // namespace

Autopsy examine(const Subject& subject) { return Examination(subject).run(); }

}  // namespace ktrial::autopsy
