// The kernel's own torture test of functions that one CPU has others call.
#include "workloads/common/torture/torture.h"

using namespace ktrial::workload;

int main(int argc, char** argv) {
  bool hotplug = true, stutter = true;
  Torture torture{.name = "scftorture", .sign = "scftorture:", .unit = "calls", .count = "ver"};
  const double duration_s =
      parse_arguments(argc, argv, {{"hotplug", Boolean{&hotplug}}, {"stutter", Boolean{&stutter}}});
  if (duration_s > 0) torture.duration_s = duration_s;
  torture.arguments = std::string("stat_interval=5 weight_resched=0 verbose=1") +
                      " onoff_interval=" + (hotplug ? "2" : "0") +
                      " stutter=" + (stutter ? "5" : "0");
  return run_torture(torture);
}
