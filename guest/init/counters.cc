#include "guest/init/counters.h"

#include "guest/init/system.h"

namespace ktrial::init {
namespace {

struct Source {
  const char* name;
  const char* path;
};
// /sys/kernel/*_count:
// Documentation/ABI/testing/sysfs-kernel-{warn,oops,hardlockup,softlockup,rcu_stall}_count
constexpr Source kSources[] = {
    {"tainted", "/proc/sys/kernel/tainted"},
    {"warn_count", "/sys/kernel/warn_count"},
    {"oops_count", "/sys/kernel/oops_count"},
    {"softlockup_count", "/sys/kernel/softlockup_count"},
    {"hardlockup_count", "/sys/kernel/hardlockup_count"},
    {"rcu_stall_count", "/sys/kernel/rcu_stall_count"},
    {"hung_task_detect_count", "/proc/sys/kernel/hung_task_detect_count"},
};

}  // namespace

wire::Counters read_counters(const std::string& root) {
  wire::Counters counters;
  for (const Source& source : kSources) {
    const auto text = read_small_file(root + source.path);
    if (!text) continue;
    const auto value = parse_number(std::string_view(*text).substr(0, text->find('\n')));
    if (value) counters.values.emplace_back(source.name, *value);
  }
  return counters;
}

}  // namespace ktrial::init
