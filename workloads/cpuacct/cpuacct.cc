// The CPU time that control groups are charged with, told by cgroup v1 (cpuacct.*)
// and v2 (cpu.stat) of the same tasks: fresh groups in each round, and processes
// in them that spin, read /dev/zero, fork, vfork, migrate and are killed.
//
// An exact invariant that does not hold ends the run at once. A near one (see
// invariants.h) can be upset by a host that does not run a virtual CPU for a while;
// it counts when three rounds in a row break it.
#include <sys/utsname.h>

#include <cstdio>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/threads.h"
#include "workloads/cpuacct/round.h"

using namespace ktrial::workload;
using ktrial::cpuacct::Hierarchies;
using ktrial::cpuacct::Outcome;
using ktrial::cpuacct::Plan;

namespace {

constexpr int kDoubtsInARow = 3;
constexpr double kDefaultDuration = 10;  // seconds

// cpuacct.stat is scaled to cpuacct.usage since 5.17.
bool stat_is_adjusted() {
  utsname name{};
  int major = 0, minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 17);
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  const double given_s =
      parse_arguments(argc, argv,
                      {{"burn_ms", Integer{&plan.burn_ms, 50, 60'000}},
                       {"readers", Integer{&plan.readers, 1, 16}},
                       {"hop_ms", Integer{&plan.hop_ms, 1, 10'000}},
                       {"plant", Choice{&plan.plant,
                                        {"none", "sum", "split", "percpu", "monotone", "frozen",
                                         "rusage", "twins", "machine"}}}});
  plan.adjusted = stat_is_adjusted();
  plan.cpus = allowed_cpus();
  Progress progress("readings");
  progress.report(0, 0);
  const Hierarchies groups;
  const Deadline deadline(given_s > 0 ? given_s : kDefaultDuration);
  std::uint64_t rounds = 0, readings = 0, doubtful = 0, near = 0;
  for (int in_a_row = 0; in_a_row > 0 || rounds == 0 || !deadline.passed(); ++rounds) {
    const Outcome outcome = run_round(groups, plan, progress, readings);
    readings += outcome.readings;
    near += outcome.levels_compared;
    in_a_row = outcome.doubts.empty() ? 0 : in_a_row + 1;
    doubtful += !outcome.doubts.empty();
    for (const std::string& text : outcome.doubts)
      std::printf("cpuacct: round %llu: doubt: %s\n", static_cast<unsigned long long>(rounds + 1),
                  text.c_str());
    if (in_a_row == kDoubtsInARow)
      broken("%s, and so in %d rounds in a row", outcome.doubts.front().c_str(), kDoubtsInARow);
  }
  std::printf("cpuacct: %llu rounds (%llu with levels compared, %llu in doubt), %llu readings%s\n",
              static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(near),
              static_cast<unsigned long long>(doubtful), static_cast<unsigned long long>(readings),
              groups.has_v1() ? "" : ", v2 only");
  return kHealthy;
}
