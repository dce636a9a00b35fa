// Invariants of the spec parsers: every accepted spec is valid, an expansion is
// the same each time, an accepted duration reads back, an error says something.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/spec/load.h"
#include "harness/spec/parse.h"
#include "harness/spec/validate.h"
#include "harness/spec/workload.h"

namespace {
void must(bool good) {
  if (!good) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrial::spec;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto specs = parse_spec(text, "fuzz");
  if (specs) {
    must(!specs->empty() && specs->size() <= kMaxMatrix);
    for (const TrialSpec& spec : *specs) must(validate(spec).has_value());
    must(parse_spec(text, "fuzz").value() == *specs);
  } else {
    must(specs.error().message.starts_with("fuzz:") &&
         specs.error().kind == ktrial::ErrorKind::usage);
  }
  if (auto info = parse_workload(text, "fuzz")) must(resolve_parameters(*info, {}).has_value());
  if (auto duration = parse_duration(text))
    must(parse_duration(format_duration(*duration)).value() == *duration);
  if (auto mib = parse_size(text)) must(*mib >= kMinMemoryMib && *mib <= kMaxMemoryMib);
  if (auto setting = parse_setting(text)) must(setting->first + "=" + setting->second == text);
  return 0;
}
