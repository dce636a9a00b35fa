// Disturbs the vCPUs of a parallel machine while its workload runs, as the spec asks (--delay-at,
// --perturb); docs/replay.md says what of it is proven.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "harness/introspect/symbols.h"
#include "harness/spec/perturb.h"
#include "harness/trial/scene.h"
#include "harness/trial/vcpu_holder.h"

namespace ktrial::trial {

// What of it is to be known before the machine starts. ErrorKind::usage: this one cannot be
// disturbed; ErrorKind::environment: not here.
Status plan_perturbation(Plan& plan, const std::filesystem::path& plugins,
                         const std::filesystem::path& qemu, bool one_thread);

class Perturbation {
 public:
  // In a guest whose kernel is up. ErrorKind::usage: it has no such symbol.
  static Result<Perturbation> begin(const Scene& scene);
  Perturbation(Perturbation&&) = default;
  ~Perturbation();  // ends it; what was done is told as facts of the trial

 private:
  explicit Perturbation(const Scene& scene) : scene_(&scene) {}
  Status delay(const std::vector<spec::DelayAt>& places);
  Status hold();

  // Of an object that was moved away: null.
  struct Forget {
    void operator()(const Scene*) const {}
  };
  std::unique_ptr<const Scene, Forget> scene_;
  std::vector<spec::DelayAt> places_;
  spec::Holding holding_;
  std::unique_ptr<VcpuHolder> holder_;
};

// ErrorKind::usage: there is no such symbol.
Result<vm::Delay> delay_of(const spec::DelayAt& place, const introspect::SymbolTable& symbols);

// "12031 visits, 118 of them 50 to 500 us longer, 0.033 s in all"
std::string told(const spec::DelayAt& place, const vm::DelayCount& count);
std::string told(const spec::Holding& holding, const VcpuHolder::Count& count);

}  // namespace ktrial::trial
