// The console's findings and a program's subtests as plain record values.
#pragma once

#include <string>
#include <vector>

#include "harness/console/analyzer.h"
#include "harness/subtests/subtest.h"
#include "results/record.h"

namespace ktrial::trial {

inline std::vector<results::Finding> to_records(const std::vector<console::Finding>& findings) {
  std::vector<results::Finding> out;
  for (const console::Finding& finding : findings)
    out.push_back({finding.title, finding.kind, finding.culprit, finding.cpu, finding.task,
                   finding.first_line, finding.last_line, finding.corrupted, finding.excerpt});
  return out;
}

inline std::vector<results::Subtest> to_records(const subtests::Summary& summary) {
  std::vector<results::Subtest> out;
  for (const subtests::Subtest& test : summary.tests)
    out.push_back({test.name, std::string(subtests::name(test.result)), test.reason, test.seconds});
  return out;
}

// The notes that a spec wants to fail; it was validated.
inline std::vector<console::Kind> kinds_of(const std::vector<std::string>& fail_on) {
  std::vector<console::Kind> out;
  for (const std::string& note : fail_on)
    if (const auto kind = console::kind_named(note)) out.push_back(*kind);
  return out;
}

}  // namespace ktrial::trial
