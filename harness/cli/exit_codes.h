// What ktrial's exit status means. The one place that turns outcomes and
// errors into numbers; docs/cli.md has the table for users.
#pragma once

#include "harness/base/error.h"
#include "results/record.h"

namespace ktrial::cli {

// 0 pass, 1 the kernel failed, 125 inconclusive: `git bisect run` reads them as
// good, bad and skip.
int exit_code(results::Outcome outcome);
// 128 ktrial cannot work here, 129 usage or configuration, 130 interrupted:
// `git bisect run` stops at 128 and above instead of blaming a commit.
int exit_code(ErrorKind kind);

}  // namespace ktrial::cli
