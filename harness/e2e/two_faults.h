// Two planted faults in one guest: both are told, in the order in which they came.
#pragma once

#include "harness/e2e/e2e.h"

namespace ktrial::e2e {

struct TwoFaults {
  const char *fault, *then;
  const char* after_s;
  // Parts of the reports' titles, and which one names the trial.
  const char *first, *second, *names;
};

inline constexpr TwoFaults kWarnThenOops = {"warn",
                                            "oops",
                                            "5",
                                            "WARNING in ktrial_warn",
                                            "NULL pointer dereference in ktrial_oops",
                                            "NULL pointer dereference in ktrial_oops"};

inline void expect_both(const TwoFaults& faults, const Outcome& result,
                        const nlohmann::json& trial) {
  ASSERT_EQ(result.exit, 1) << result.err;
  EXPECT_NE(trial["title"].get<std::string>().find(faults.names), std::string::npos)
      << trial["title"];
  std::vector<std::string> titles;
  for (const auto& finding : trial["findings"]) titles.push_back(finding["title"]);
  ASSERT_EQ(titles.size(), 2U) << trial["findings"].dump(2);
  EXPECT_NE(titles[0].find(faults.first), std::string::npos) << titles[0];
  EXPECT_NE(titles[1].find(faults.second), std::string::npos) << titles[1];
}

inline std::vector<std::string> arguments_for(const TwoFaults& faults, const std::string& kernel) {
  const auto set = [](const char* key, const char* value) {
    return std::string(key) + "=" + value;
  };
  return {"run",
          "--kernel",
          kernel,
          "--workload",
          "inject",
          "--format",
          "json",
          "--set",
          set("fault", faults.fault),
          "--set",
          set("then", faults.then),
          "--set",
          set("after", faults.after_s),
          "--set",
          "then_cpu=2",
          "--append",
          "watchdog_thresh=2 rcupdate.rcu_cpu_stall_timeout=60"};
}

}  // namespace ktrial::e2e
