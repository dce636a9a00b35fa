#include "harness/trial/watchman.h"

#include <fmt/format.h>

#include <algorithm>

namespace ktrial::trial {

Watchman::Watchman(vm::Vm& vm, Monitor& monitor, const TrialContext& context, const Plan& plan)
    : vm_(vm), monitor_(monitor), context_(context), plan_(plan), early_(plan.timeouts.early) {
  monitor.set_early_look([this] { return look(); });
}

bool Watchman::look() {
  if (blind_) return false;
  if (!inspector_) open();
  auto seen = inspector_ ? autopsy::look_once(vm_, inspector_.get(), plan_.timeouts.monitor_reply)
                         : std::nullopt;
  blind_ = !seen;
  if (blind_) return false;
  const auto now = context_.clock.now();
  autopsy::HostWatch& host = monitor_.host();
  host.sample(now);
  const auto used = [&](unsigned cpu, Clock::time_point from) {
    const auto evidence = host.since(from);
    const auto use = std::ranges::find(evidence.vcpus, cpu, &autopsy::VcpuUse::cpu);
    return use == evidence.vcpus.end() ? std::nullopt : std::optional(*use);
  };
  auto heard = monitor_.last_beats();
  if (!monitor_.hello())
    for (const auto& [cpu, look] : *seen) heard[cpu] = monitor_.last_console();
  if (!early_.add(now, *std::move(seen), heard, used)) return false;
  context_.observer.on_event("early-look",
                             fmt::format("vCPU {} is stuck: {} looks", *early_.proven(),
                                         early_.evidence().of.begin()->second.size()));
  return true;
}

void Watchman::open() {
  const auto patience = plan_.timeouts.monitor_reply;
  if (!vm_.pause(patience)) return;
  if (auto ram = vm_.ram(patience))
    if (auto opened = autopsy::make_inspector(*std::move(ram), plan_.symbols);
        opened && (*opened)->view() != nullptr)
      inspector_ = *std::move(opened);
  (void)vm_.resume(patience);
}

}  // namespace ktrial::trial
