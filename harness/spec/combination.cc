#include "harness/spec/combination.h"

#include <algorithm>

#include "harness/base/text.h"

namespace ktrial::spec {
namespace {

void add_new(std::vector<std::string>& to, const std::vector<std::string>& from) {
  for (const std::string& one : from)
    if (std::ranges::find(to, one) == to.end()) to.push_back(one);
}

void add(WorkloadInfo& whole, const WorkloadInfo& part) {
  const auto join = [](std::string& text, const char* between, const std::string& more) {
    text += (text.empty() ? "" : between) + more;
  };
  join(whole.name, "+", part.name);
  join(whole.summary, "; beside it: ", part.summary);
  join(whole.invariant, "; ", part.name + ": " + part.invariant);
  join(whole.progress, " and ", part.progress);
  add_new(whole.stresses, part.stresses);
  add_new(whole.kconfig, part.kconfig);
  add_new(whole.modules, part.modules);
  whole.min_cpus = std::max(whole.min_cpus, part.min_cpus);
  whole.needs_vsock |= part.needs_vsock;
  whole.patches_code |= part.patches_code;
  whole.stall_after_s = std::max(whole.stall_after_s, part.stall_after_s);
  if (part.default_duration_s)
    whole.default_duration_s =
        std::max(whole.default_duration_s.value_or(0), *part.default_duration_s);
  if (part.host) whole.host = part.host;
  for (const Parameter& one : part.parameters)
    if (std::ranges::find(whole.parameters, one.name, &Parameter::name) == whole.parameters.end())
      whole.parameters.push_back(one);
}

}  // namespace

Result<WorkloadInfo> find_combination(std::string_view name, const FindWorkload& find) {
  WorkloadInfo whole;
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t end = std::min(rest.find('+'), rest.size());
    WorkloadInfo part = KTRIAL_TRY(find(rest.substr(0, end)));
    if (std::ranges::find(whole.parts, part.name, &WorkloadInfo::name) != whole.parts.end())
      return usage_error("workload " + in_quotes(name) + " names " + part.name + " twice");
    if (whole.host && part.host)
      return usage_error("workload " + in_quotes(name) +
                         ": the host can speak to one of its parts only");
    add(whole, part);
    whole.parts.push_back(std::move(part));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (whole.parts.size() < 2)
    return usage_error("workload " + in_quotes(name) + ": A+B names two workloads");
  return whole;
}

std::map<std::string, std::string> settings_of(const WorkloadInfo& part,
                                               const std::map<std::string, std::string>& settings) {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : settings)
    if (std::ranges::find(part.parameters, key, &Parameter::name) != part.parameters.end())
      out.emplace(key, value);
  return out;
}

}  // namespace ktrial::spec
