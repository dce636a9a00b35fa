#include "harness/selftest/trial_runner.h"

#include "harness/base/file.h"
#include "harness/trial/plan.h"

namespace ktrial::selftest {
namespace {

constexpr std::size_t kMaxConsole = 128u << 20;  // bytes; twice what a trial keeps

// The record of the one job that the engine has.
Result<results::TrialRecord> record_of(engine::Engine& engine) {
  const auto done = engine.next();
  if (!done) return fail(ErrorKind::internal, "a job that is never done");
  if (std::holds_alternative<engine::Cancelled>(done->how))
    return fail(ErrorKind::interrupted, "interrupted");
  if (const auto* lost = std::get_if<engine::Lost>(&done->how))
    return fail(ErrorKind::environment, "a trial was lost: " + lost->reason);
  const auto& finished = std::get<engine::Finished>(done->how);
  if (finished.error) return std::unexpected(*finished.error);
  if (!done->record || done->record->trials.empty())
    return fail(ErrorKind::internal, "a run without a trial");
  return done->record->trials.front();
}

}  // namespace

void Dating::hear(const run::Event& event) {
  if (const auto* step = std::get_if<run::Step>(&event.what)) {
    if (step->text.starts_with(trial::kNoModule))
      no_module_ = step->text.substr(trial::kNoModule.size());
  } else if (const auto* output = std::get_if<run::Output>(&event.what)) {
    if (!planted_s_ && output->bytes.contains("planting ")) planted_s_ = event.at_s;
  } else if (std::holds_alternative<run::TrialEnded>(event.what)) {
    ended_s_ = event.at_s;
  }
}

Runner trial_runner(const run::Job& job, engine::Engine& engine, Dating& dating) {
  return [job, &engine, &dating](const Fault& fault,
                                 const spec::TrialSpec& spec) -> Result<Planted> {
    dating = {};
    run::Job planting = job;
    planting.spec = spec;
    if (fault.expected.outcome != results::Outcome::inconclusive) planting.boots = 2;
    planting.introspect = fault.name == "none";  // of a guest that is well
    engine.submit(std::move(planting));
    Planted planted{.record = KTRIAL_TRY(record_of(engine)),
                    .begun = dating.planted_s_ || fault.way == Way::init,
                    .no_module = dating.no_module_};
    if (dating.planted_s_ && dating.ended_s_)
      planted.seconds = *dating.ended_s_ - *dating.planted_s_;
    else if (fault.way == Way::init)  // planted before the boot
      planted.seconds = planted.record.duration_s;
    // What is not there does not hold the text that is looked for.
    planted.console = read_file(planted.record.artifacts / "console.log", kMaxConsole).value_or("");
    return planted;
  };
}

}  // namespace ktrial::selftest
