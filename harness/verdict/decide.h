// Evidence → verdict. Pure; one precedence list, see decide.cc.
#pragma once

#include <string>

#include "harness/verdict/evidence.h"
#include "results/record.h"

namespace ktrial::verdict {

struct Verdict {
  results::Outcome outcome = results::Outcome::inconclusive;
  std::string title;      // of the failure, syzbot grammar; empty on pass
  std::string kind;       // console::kind_name, or silent_stall, reset, workload, ...
  std::string culprit;    // function; empty if unknown
  std::string signature;  // stable across runs of the same bug; empty unless fail
  std::string reason;     // one sentence for people, always set
};

Verdict decide(const Evidence& evidence);

// A workload that exits so says itself that it cannot run on this kernel.
bool cannot_run(const Evidence& evidence, const wire::Exit& exit);

}  // namespace ktrial::verdict
