// One guest in several configurations, each another one in a single thing: a setting can hide a
// race wholly, so trials take turns among settings (`ktrial run --rotate`). Pure.
#pragma once

#include <vector>

#include "harness/spec/spec.h"

namespace ktrial::spec {

// `base` first. Their axis "config" names them; trials of `base` are shared out among them, and
// none has fewer than one. What `base` itself asks for is not turned.
std::vector<TrialSpec> rotation(const TrialSpec& base, int min_cpus);

}  // namespace ktrial::spec
