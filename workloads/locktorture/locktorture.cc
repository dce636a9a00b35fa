// The kernel's own torture test of its locks.
#include "workloads/common/torture/torture.h"

using namespace ktrial::workload;

int main(int argc, char** argv) {
  std::string lock = "spin_lock";
  bool hotplug = true, stutter = true;
  Torture torture{
      .name = "locktorture", .sign = "-torture:", .unit = "locks taken", .count = "total"};
  const double duration_s =
      parse_arguments(argc, argv,
                      {{"lock", Choice{&lock,
                                       {"spin_lock", "spin_lock_irq", "rw_lock", "rw_lock_irq",
                                        "mutex_lock", "ww_mutex_lock", "rtmutex_lock", "rwsem_lock",
                                        "percpu_rwsem_lock", "lock_busted"}}},
                       {"hotplug", Boolean{&hotplug}},
                       {"stutter", Boolean{&stutter}}});
  torture.numbers = {"fail"};
  if (duration_s > 0) torture.duration_s = duration_s;
  torture.arguments = "torture_type=" + lock + " stat_interval=5" +
                      " onoff_interval=" + (hotplug ? "2" : "0") +
                      " stutter=" + (stutter ? "5" : "0");
  return run_torture(torture);
}
