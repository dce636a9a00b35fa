// The kernel's own torture test of RCU.
#include <map>

#include "workloads/common/torture/torture.h"

using namespace ktrial::workload;

int main(int argc, char** argv) {
  const std::map<std::string, const char*> types = {
      {"TREE", "rcu"},        {"SRCU", "srcu"},           {"SRCU-D", "srcud"}, {"TASKS", "tasks"},
      {"RUDE", "tasks-rude"}, {"TRACE", "tasks-tracing"}, {"BUSTED", "busted"}};
  std::string scenario = "TREE";
  bool hotplug = true, stutter = true;
  std::int64_t stall_s = 0;
  Torture torture{.name = "rcutorture", .sign = "-torture:", .unit = "versions", .count = "ver"};
  const double duration_s = parse_arguments(
      argc, argv,
      {{"scenario",
        Choice{&scenario, {"TREE", "SRCU", "SRCU-D", "TASKS", "RUDE", "TRACE", "BUSTED"}}},
       {"hotplug", Boolean{&hotplug}},
       {"stutter", Boolean{&stutter}},
       {"stall_s", Integer{&stall_s, 0, 600}}});
  torture.numbers = {"rtf", "rtmbe", "rtbe", "rtbf", "rtbke"};
  if (duration_s > 0) torture.duration_s = duration_s;
  torture.arguments = std::string("torture_type=") + types.at(scenario) +
                      " test_boost=0 fwd_progress=0 stat_interval=5" +
                      " onoff_interval=" + (hotplug ? "250" : "0") +
                      " stutter=" + (stutter ? "5" : "0");
  if (stall_s > 0)
    torture.arguments += " stall_cpu=" + std::to_string(stall_s) + " stall_cpu_holdoff=5";
  return run_torture(torture);
}
