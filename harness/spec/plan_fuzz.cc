// Invariants of the plan's parser: what is accepted is bounded and valid, and read the same again;
// an error names the file.
#include <cstdint>
#include <cstdlib>
#include <set>

#include "harness/spec/parse.h"
#include "harness/spec/plan.h"

namespace {
void must(bool good) {
  if (!good) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrial::spec;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plan = parse_plan(text, "fuzz");
  if (!plan) {
    must(plan.error().message.starts_with("fuzz:") &&
         plan.error().kind == ktrial::ErrorKind::usage);
    return 0;
  }
  must(!plan->name.empty() && plan->name.find('/') == std::string::npos);
  must(!plan->cells.empty() && plan->cells.size() <= kMaxMatrix);
  must(plan->budget || plan->max_trials || plan->goal.kind == Goal::Kind::trials);
  std::set<std::string> names;
  for (const PlanCell& cell : plan->cells) {
    must(validate(cell.spec).has_value() && cell.spec.repeat == 1);
    must(names.insert(cell_name(cell.spec)).second);
  }
  must(parse_plan(text, "fuzz").value() == *plan);
  return 0;
}
