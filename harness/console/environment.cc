#include "harness/console/environment.h"

#include "harness/base/re2.h"

namespace ktrial::console {

EnvironmentSymptom environment_symptom(std::string_view body) {
  static const RE2 dropped(
      R"(\*\* (?:\d+ printk messages dropped|replaying previous printk message) \*\*)");
  static const RE2 symptom(
      R"(^(?:hrtimer: interrupt took|perf: interrupt took too long|INFO: NMI handler .*took too long|)"
      R"(clocksource: .*(?:unstable|skew|retried|excessive read-back delay)|tsc: Marking TSC unstable|)"
      R"(TSC found unstable after boot|sched_clock: Marking unstable|clocksource: timekeeping watchdog|)"
      R"(sched: RT throttling activated|rcu: .*Possible timer handling issue|rcu: .*kthread starved for|)"
      R"(rcu: .*kthread timer wakeup didn't happen|NOHZ tick-stop error|)"
      R"(NMI watchdog: Perf NMI watchdog permanently disabled|)"
      R"(Performance Events: PMU not available due to virtualization))");
  // Most lines have none of these words.
  static constexpr std::string_view kFirst = "hpIctTsrNP";
  if (body.find("** ") == body.npos && (body.empty() || kFirst.find(body[0]) == kFirst.npos))
    return EnvironmentSymptom::none;
  if (partial_match(body, dropped)) return EnvironmentSymptom::dropped_messages;
  return partial_match(body, symptom) ? EnvironmentSymptom::symptom : EnvironmentSymptom::none;
}

}  // namespace ktrial::console
