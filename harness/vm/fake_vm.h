// A scripted machine on a clock that tests turn. It keeps every promise of vm.h: fake_vm_test.cc.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/fake_clock.h"
#include "harness/vm/vm.h"

namespace ktrial::vm {

class FakeVm : public Vm {
 public:
  struct Step {
    std::chrono::milliseconds after{0};  // since the step before
    VmEvent event;
  };
  // `clock` must outlive the machine. The script begins with start().
  explicit FakeVm(FakeClock& clock, std::vector<Step> script = {});
  ~FakeVm() override;

  Status start(Sink sink) override;
  Result<Fd> take_port(const std::string& port_name) override;
  Result<std::vector<VcpuSample>> sample_vcpus(std::chrono::milliseconds patience) override;
  Status pause(std::chrono::milliseconds patience) override;
  Status resume(std::chrono::milliseconds patience) override;
  Result<GuestRam> ram(std::chrono::milliseconds patience) override;
  Status inject_nmi(std::chrono::milliseconds patience) override;
  Result<std::string> status(std::chrono::milliseconds patience) override;
  void destroy() override;
  pid_t process() const override { return 0; }
  std::vector<pid_t> vcpu_threads() const override { return {}; }
  std::string shell_command() const override { return "fake\n"; }

  // Something happens to the machine now; to a paused one when it goes on.
  void happen(VmEvent event);
  bool paused() const { return paused_; }
  bool over() const { return !sink_ || exited_; }

  // What a test sets, and looks at.
  std::vector<VcpuSample> samples;
  std::optional<GuestRam> memory;  // what ram() gives, once
  std::optional<Error> mute;       // of a monitor that does not answer
  std::function<void()> on_nmi;
  std::map<std::string, Fd> guest_ends;  // of the ports that were taken
  int nmis = 0, looks = 0;

 private:
  Status answers() const;
  void step(std::size_t index);

  FakeClock& clock_;
  std::vector<Step> script_;
  Sink sink_;
  bool paused_ = false, exited_ = false;
  std::string state_ = "prelaunch";
  std::deque<VmEvent> held_;  // while paused
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ktrial::vm
