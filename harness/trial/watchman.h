// Looks at the vCPUs of a machine while a beat is late, or, before the first one, its console.
#pragma once

#include <memory>

#include "harness/autopsy/early_look.h"
#include "harness/autopsy/inspector.h"
#include "harness/trial/context.h"
#include "harness/trial/monitor.h"
#include "harness/trial/plan.h"
#include "harness/vm/vm.h"

namespace ktrial::trial {

// The monitor asks it for as long as it lives. All of these must outlive it.
class Watchman {
 public:
  Watchman(vm::Vm& vm, Monitor& monitor, const TrialContext& context, const Plan& plan);
  Watchman(const Watchman&) = delete;
  Watchman& operator=(const Watchman&) = delete;
  ~Watchman() { monitor_.set_early_look(nullptr); }

  // The looks that prove a vCPU stuck, for an autopsy to go on from; else none.
  autopsy::LooksSoFar evidence() const { return early_.evidence(); }

 private:
  bool look();
  void open();

  vm::Vm& vm_;
  Monitor& monitor_;
  const TrialContext& context_;
  const Plan& plan_;
  autopsy::EarlyLook early_;
  std::unique_ptr<autopsy::Inspector> inspector_;
  bool blind_ = false;  // its memory cannot be read, or nobody answers
};

}  // namespace ktrial::trial
