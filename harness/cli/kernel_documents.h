// What `ktrial kernel ... --format json` prints: plain values in, a document out. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "harness/kernel/build/build.h"
#include "harness/kernel/build/kconfig.h"
#include "harness/kernel/deb/catalog.h"
#include "harness/kernel/kernel.h"
#include "results/store/json.h"

namespace ktrial::cli {

// What came with a kernel, or what its lack costs.
struct Companion {
  const char* name;
  std::string path;  // empty: it did not come
  const char* cost;
};
struct FetchedKernel {
  std::string reference;
  kernel::Kernel kernel;
  std::vector<Companion> companions;
};
// A workload's name, and what of its options the kernel lacks.
using WorkloadLacks = std::pair<std::string, std::vector<kernel::MissingOption>>;

results::Json list_document(const std::vector<kernel::PackagedKernel>& kernels);
results::Json get_document(const std::vector<FetchedKernel>& kernels);
results::Json build_document(const kernel::Built& built);
results::Json check_document(const std::string& config, const std::vector<WorkloadLacks>& lacks);

}  // namespace ktrial::cli
