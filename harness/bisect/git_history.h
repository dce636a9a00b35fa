// The commits of a git tree as the candidates of a bisection; each is built.
#pragma once

#include "harness/bisect/history.h"
#include "harness/kernel/build/build.h"

namespace ktrial::bisect {

// The commits of build.tree between the ends; each is built as `build` says (its
// `revision` and `stop` are not looked at).
Result<History> git_history(const kernel::BuildRequest& build, const HistoryRequest& request);

}  // namespace ktrial::bisect
