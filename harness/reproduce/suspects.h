// Which workload may show a report's failure: what it declares to touch (workload.toml) against
// what the stacks, the patch and the text show. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "harness/mail/understand.h"
#include "harness/spec/workload_hints.h"

namespace ktrial::reproduce {

struct Suspect {
  std::string workload;
  double score = 0;                  // 0: nothing speaks for it
  std::vector<std::string> reasons;  // "mm_get_cid: the culprit, line 42"; the strongest first
};

// All workloads, the most promising first. What many declare says little for each of them; what the
// report acquits ("vsock changes nothing") says next to nothing.
std::vector<Suspect> rank_workloads(const mail::Understanding& report,
                                    std::span<const spec::HintedWorkload> workloads);

}  // namespace ktrial::reproduce
