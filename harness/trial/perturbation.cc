#include "harness/trial/perturbation.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/introspect/kernel.h"
#include "harness/introspect/modules.h"
#include "harness/spec/parse.h"
#include "harness/vm/qemu/instrument.h"

namespace ktrial::trial {
namespace {

// Of the image and of the modules that are loaded by now.
Result<introspect::SymbolTable> symbols_of(const Scene& scene) {
  const auto patience = scene.plan.timeouts.monitor_reply;
  KTRIAL_TRY(scene.vm.pause(patience));
  auto read = [&]() -> Result<introspect::SymbolTable> {
    auto ram = KTRIAL_TRY(scene.vm.ram(patience));
    const auto kernel = KTRIAL_TRY(introspect::Kernel::open(
        KTRIAL_TRY(introspect::RamFile::open(std::move(ram))), scene.plan.symbols));
    if (kernel->symbols_error()) return std::unexpected(*kernel->symbols_error());
    auto bytes = kernel->btf_bytes();
    auto btf = bytes ? introspect::Btf::parse(*std::move(bytes)) : std::unexpected(bytes.error());
    if (!btf) return introspect::SymbolTable(kernel->symbols().all());
    return introspect::symbols_with_modules({*kernel, kernel->symbols(), *btf});
  }();
  KTRIAL_TRY(scene.vm.resume(patience));
  return read;
}

std::string span_of(int most_us) {
  return fmt::format("{} to {} us", std::max(1, most_us / 10), most_us);
}

}  // namespace

Result<vm::Delay> delay_of(const spec::DelayAt& place, const introspect::SymbolTable& symbols) {
  const auto address = symbols.address(place.symbol);
  if (!address)
    return usage_error("delay_at: this kernel has no symbol " + spec::in_quotes(place.symbol),
                       "a function may be inlined, or be named with a suffix (.isra.0, .cold); a "
                       "module's must be loaded before the workload begins");
  return vm::Delay{*address + place.offset, std::chrono::microseconds(place.most_us),
                   place.probability};
}

std::string told(const spec::DelayAt& place, const vm::DelayCount& count) {
  return fmt::format("{} visits, {} of them {} longer, {:.3f} s in all", count.visits, count.delays,
                     span_of(place.most_us), std::chrono::duration<double>(count.time).count());
}

std::string told(const spec::Holding& holding, const VcpuHolder::Count& count) {
  std::string out = fmt::format("{} holds of one vCPU, {} each, {:.3f} s in all", count.holds,
                                span_of(holding.most_us), count.seconds);
  if (!count.ended.empty()) out += "; ended early: " + count.ended;
  return out;
}

Status plan_perturbation(Plan& plan, const std::filesystem::path& plugins,
                         const std::filesystem::path& qemu, bool one_thread) {
  const spec::TrialSpec& spec = plan.spec;
  if (spec.delay_at.empty() && spec.perturb.empty()) return {};
  if (one_thread)
    return usage_error(std::string(spec.perturb.empty() ? "delay_at" : "perturb") + ": " +
                       (plan.spec.one_thread ? "one_thread" : "workload " + plan.name()) +
                       " has all vCPUs run in one thread: who holds one of them holds all");
  if (spec.delay_at.empty()) return {};
  auto plugin = vm::choose_plugin(plugins, plan.vmm.version, qemu);
  if (!plugin.why_not.empty())
    return fail(ErrorKind::environment, "delay_at: needs ktrial's TCG plugin: " + plugin.why_not,
                "leave --delay-at out; --perturb hold needs no plugin");
  plan.delaying = std::move(plugin.file);
  return {};
}

Result<Perturbation> Perturbation::begin(const Scene& scene) {
  Perturbation out(scene);
  std::vector<spec::DelayAt> places;
  for (const std::string& text : scene.plan.spec.delay_at)
    places.push_back(KTRIAL_TRY(spec::parse_delay_at(text)));
  if (!places.empty()) KTRIAL_TRY(out.delay(places));
  if (!scene.plan.spec.perturb.empty()) KTRIAL_TRY(out.hold());
  return out;
}

Status Perturbation::delay(const std::vector<spec::DelayAt>& places) {
  vm::Delayable* machine = scene_->vm.delayable();
  if (machine == nullptr) return fail(ErrorKind::internal, "the machine cannot be delayed");
  const auto symbols = KTRIAL_TRY(symbols_of(*scene_));
  std::vector<vm::Delay> delays;
  for (const spec::DelayAt& place : places) delays.push_back(KTRIAL_TRY(delay_of(place, symbols)));
  KTRIAL_TRY(machine->delay_at(delays));
  places_ = places;
  for (const spec::DelayAt& place : places)
    scene_->context.observer.on_event("delay-at", place.place());
  return {};
}

Status Perturbation::hold() {
  // Whoever was asked for registers knows the threads.
  KTRIAL_TRY(scene_->vm.sample_vcpus(scene_->plan.timeouts.monitor_reply));
  holding_ = KTRIAL_TRY(spec::parse_perturb(scene_->plan.spec.perturb));
  holder_ = KTRIAL_TRY(VcpuHolder::start(scene_->vm.vcpu_threads(), holding_));
  scene_->context.observer.on_event("perturb", scene_->plan.spec.perturb);
  return {};
}

Perturbation::~Perturbation() {
  if (!scene_) return;
  results::Facts& facts = scene_->record.facts;
  if (holder_) facts.emplace_back("perturb.hold", told(holding_, holder_->stop()));
  vm::Delayable* machine = places_.empty() ? nullptr : scene_->vm.delayable();
  if (machine == nullptr) return;
  const auto counts = machine->delayed();
  for (std::size_t i = 0; i < std::min(counts.size(), places_.size()); ++i)
    facts.emplace_back("delay." + places_[i].place(), told(places_[i], counts[i]));
}

}  // namespace ktrial::trial
