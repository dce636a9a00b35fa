#pragma once

#include <string>
#include <vector>

#include "harness/verdict/evidence.h"

namespace ktrial::trial {

// A trial's evidence, read back.
struct KeptEvidence {
  verdict::Evidence evidence;
  // What the folder does not hold, and what was taken instead: sentences, for people.
  std::vector<std::string> assumed;
};

}  // namespace ktrial::trial
