// One of the kernel's own torture tests: two modules, loaded with parameters, left alone for a time
// and unloaded. The test judges itself, by the last line that it prints.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/common/arguments.h"

namespace ktrial::workload {

struct Torture {
  const char* name;   // of the workload and its module
  const char* sign;   // in each line that it prints: "rcu-torture:"
  const char* unit;   // of progress
  const char* count;  // their name in a line of statistics, in small letters: "ver"
  double duration_s = 30;
  std::string arguments = {};             // of the module
  std::vector<const char*> numbers = {};  // of its statistics that stay in the record
};

// What the test printed so far.
class TortureLog {
 public:
  TortureLog(std::string_view sign, std::string_view count) : sign_(sign), count_(count) {}
  // A message of the kernel, without its prefix. False: it is not of the test.
  bool hear(std::string_view line);
  std::uint64_t done() const { return done_; }
  std::uint64_t lines() const { return lines_; }
  // "SUCCESS", "FAILURE", "RCU_HOTPLUG"; empty: none yet.
  const std::string& end() const { return end_; }
  // Numbers behind "word:" in the last line of statistics: rtf, rtmbe, Total, ...
  const std::map<std::string, std::uint64_t>& numbers() const { return numbers_; }

 private:
  std::string sign_, count_, end_;
  std::uint64_t done_ = 0, lines_ = 0;
  std::map<std::string, std::uint64_t> numbers_;
};

// The rest of main(): exits with kBroken or kCannotRun, or returns kHealthy.
int run_torture(const Torture& torture);

}  // namespace ktrial::workload
