// One debugger traces several clients that fork, vfork, clone, exec, map memory and
// end: every event is told once, in order, with its reason, whatever the moment of
// attaching or leaving. The clients keep logs of their own, and the proc connector is
// a second witness.
#include <cstdio>

#include "workloads/common/arguments.h"
#include "workloads/common/child.h"
#include "workloads/common/clock.h"
#include "workloads/debug-events/session.h"

using namespace ktrial::workload;
using ktrial::debug_events::Connector;
using ktrial::debug_events::Plan;
using ktrial::debug_events::Totals;

namespace {
constexpr double kDefaultDuration = 10;  // seconds

using ull = unsigned long long;
}  // namespace

int main(int argc, char** argv) {
  become_child_if_asked(argc, argv);
  Plan plan;
  const double given_s = parse_arguments(
      argc, argv,
      {{"clients", Integer{&plan.clients, 1, 16}},
       {"stages", Integer{&plan.stages, 1, 200}},
       {"threads", Integer{&plan.threads, 1, 64}},
       {"pairs", Integer{&plan.pairs, 1, 100}},
       {"session",
        Choice{&plan.session, {"mix", "staged", "discovery", "sigint", "detach", "pairs"}}},
       {"seed", Integer{&plan.seed, 0, 1'000'000'000}},
       {"plant", Choice{&plan.plant,
                        {"none", "gap", "duplicate", "dangling", "undestroyed", "ghost", "mismatch",
                         "memory", "witness"}}}});
  require_exec();
  Progress progress("events");
  progress.report(0, 0);
  Connector connector;
  Totals totals;
  const Deadline deadline(given_s > 0 ? given_s : kDefaultDuration);
  for (std::uint64_t index = 0; index == 0 || !deadline.passed(); ++index)
    ktrial::debug_events::run_session(plan, index, connector, progress, totals);
  progress.report(totals.events, 0);
  if (!totals.witness_missing.empty())
    std::printf("debug-events: sessions without the proc connector as witness: %s\n",
                totals.witness_missing.c_str());
  std::printf(
      "debug-events: %llu sessions, %llu events, %llu stages, %llu vfork children held, %llu "
      "sessions witnessed; seed %lld\n",
      ull(totals.sessions), ull(totals.events), ull(totals.stages), ull(totals.vforks_held),
      ull(totals.witnessed), static_cast<long long>(plan.seed));
  return kHealthy;
}
