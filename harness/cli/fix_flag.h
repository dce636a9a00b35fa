// `--fix` of `ktrial reproduce`: a patch, a commit or a kernel, as the two kernels to compare.
#pragma once

#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/kernel/deb/catalog.h"
#include "harness/run/job.h"

namespace ktrial::cli {

struct FixKernels {
  std::string without, with;            // references, as --kernel takes them
  std::string without_name, with_name;  // for people
  std::string note;                     // what else differs between the two; may be empty
};

// `kernel`: --kernel as given; `chosen`: the kernel of the experiment. A patch gets a repository of
// its own: `job` is then built from that.
Result<FixKernels> fix_kernels(const std::string& fix, const std::string& kernel,
                               const std::string& chosen,
                               const std::vector<kernel::PackagedKernel>& packages, run::Job& job);

}  // namespace ktrial::cli
