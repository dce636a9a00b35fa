// Records -> KCIDB v5.3, the format in which kernel CI systems share results
// (https://docs.kernelci.org/kcidb/, its JSON schema).
#pragma once

#include <string>

#include "results/batch.h"

namespace ktrial::results {

struct KcidbOptions {
  // Who submits: the beginning of every id. [a-z0-9_]+, see kcidb_origin().
  std::string origin = "ktrial";
};
// `text` is an origin as the schema has them.
bool is_kcidb_origin(std::string_view text);

// One document: a checkout and a build for each kernel, a test for each trial and subtest, an
// issue for each signature, an incident for each trial that shows it. The same record gives the
// same ids, so that what is submitted twice is there once.
//
// A trial's status: FAIL, the kernel's fault; ERROR, the workload's; MISS, the host's, QEMU's or
// ktrial's; SKIP, the workload does not apply to this kernel.
std::string batch_kcidb(const BatchRecord& batch, const KcidbOptions& options = {});

}  // namespace ktrial::results
