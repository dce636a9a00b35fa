#include "harness/spec/rotation.h"

#include <algorithm>

namespace ktrial::spec {
namespace {

constexpr int kFewestCpus = 2;  // where there is a race at all

void add_word(TrialSpec& spec, const std::string& word) {
  spec.append += (spec.append.empty() ? "" : " ") + word;
}

}  // namespace

std::vector<TrialSpec> rotation(const TrialSpec& base, int min_cpus) {
  std::vector<TrialSpec> out;
  const auto add = [&](const std::string& name) -> TrialSpec& {
    TrialSpec& spec = out.emplace_back(base);
    spec.axes.emplace_back("config", name);
    return spec;
  };
  add("base");
  for (const int cpus : {base.cpus - 1, base.cpus + 1})
    if (cpus >= std::max(kFewestCpus, min_cpus) && cpus <= kMaxCpus)
      add("cpus=" + std::to_string(cpus)).cpus = cpus;
  if (!base.append.contains("preempt="))
    for (const char* word : {"preempt=none", "preempt=full"}) add_word(add(word), word);
  if (base.accel != Accel::kvm && !base.deterministic && !base.one_thread) {
    TrialSpec& one = add("one-thread");  // which KVM has not
    one.accel = Accel::tcg;
    one.one_thread = true;
  }
  if (base.start == Start::automatic && !base.deterministic) add("cold").start = Start::cold;
  const int each = std::max(1, base.repeat / static_cast<int>(out.size()));
  const int more = std::max(0, base.repeat - each * static_cast<int>(out.size()));
  for (int i = 0; TrialSpec & spec : out) spec.repeat = each + (i++ < more ? 1 : 0);
  return out;
}

}  // namespace ktrial::spec
