// The lines of one report → title, function, culprit.
#pragma once

#include <string>
#include <vector>

#include "harness/console/analyzer.h"
#include "harness/console/rules.h"

namespace ktrial::console {

struct ReportLine {
  std::string message;
  std::string context;  // printk caller, may be empty
  std::uint64_t number = 0;
};

struct Report {
  HeadMatch head;
  std::vector<ReportLine> lines;  // the head first; bounded by the collector
};

// What can be said of the report as it stands.
Finding extract(const Report& report);

// The function at fault in a stall seen on several CPUs: the one on a CPU that
// neither waits for another nor idles, best with interrupts off. A CPU with
// interrupts off holds the others up; those that complain are its victims.
struct Culprit {
  std::string function;
  std::optional<int> cpu;
  std::string task;
};
Culprit find_culprit(const std::vector<ReportLine>& lines);

}  // namespace ktrial::console
