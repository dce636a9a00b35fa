// Whether a spec can be meant.
#pragma once

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::spec {

// Bounds of a finished spec, e.g. after flags were applied over a file. All
// problems are in the one message, a line each.
Status validate(const TrialSpec& spec);

}  // namespace ktrial::spec
