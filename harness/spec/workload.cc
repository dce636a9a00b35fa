#include "harness/spec/workload.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/spec/combination.h"
#include "harness/spec/parse.h"
#include "harness/spec/toml_reader.h"
#include "harness/spec/workload_hints.h"

namespace ktrial::spec {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostOfAFile = 256 * 1024;  // bytes
constexpr std::array<std::string_view, 3> kTypes = {"integer", "string", "boolean"};

std::string range_of(const Parameter& p) {
  return (p.min ? std::to_string(*p.min) : "") + ".." + (p.max ? std::to_string(*p.max) : "");
}

// What is wrong with this value for this parameter; empty: nothing.
std::string problem_with(const Parameter& p, std::string_view value) {
  switch (p.type) {
    case ParameterType::integer: {
      auto number = to_number<std::int64_t>(value);
      if (!number) return in_quotes(value) + " is not an integer";
      if ((p.min && *number < *p.min) || (p.max && *number > *p.max))
        return std::string(value) + " is outside " + range_of(p);
      return {};
    }
    case ParameterType::boolean:
      if (value == "true" || value == "false") return {};
      return in_quotes(value) + " is not true or false";
    case ParameterType::string:
      break;
  }
  if (p.choices.empty() || std::ranges::find(p.choices, value) != p.choices.end()) return {};
  std::string allowed;
  for (const std::string& c : p.choices) allowed += (allowed.empty() ? "" : ", ") + c;
  return in_quotes(value) + " is not one of " + allowed;
}

void read_bound(Table& table, std::string_view key, std::optional<std::int64_t>& into) {
  const toml::node* node = table.find(key);
  if (!node) return;
  into = node->value_exact<std::int64_t>();
  if (!into) table.wrong_type(key, *node, "an integer");
}

Parameter read_parameter(const toml::table& toml, Problems& problems) {
  Parameter p;
  Table table(toml, "parameter.", problems);
  for (const char* key : {"name", "type", "default", "help"}) table.require(key);
  table.read("name", p.name);
  std::string type = "string";
  table.read("type", type);
  auto known = std::ranges::find(kTypes, type);
  if (known == kTypes.end()) {
    problems.add(toml, "parameter.type",
                 in_quotes(type) + " is not one of integer, string, boolean");
  } else {
    p.type = static_cast<ParameterType>(known - kTypes.begin());
  }
  read_bound(table, "min", p.min);
  read_bound(table, "max", p.max);
  table.read("choices", p.choices);
  table.read("help", p.help);
  const toml::node* value = table.find("default");
  table.finish();
  if (!parse_setting(p.name + "="))
    problems.add(toml, "parameter.name", "is lower-case letters, digits, _ and -");
  if ((p.min || p.max) && p.type != ParameterType::integer)
    problems.add(toml, "parameter." + p.name, "min and max are for integers");
  if (p.min && p.max && *p.min > *p.max)
    problems.add(toml, "parameter." + p.name, "min is larger than max");
  if (value) {
    auto text = scalar_text(*value);
    const std::string wrong = text ? problem_with(p, *text) : "must be a scalar";
    if (!wrong.empty()) problems.add(*value, "parameter." + p.name + ".default", wrong);
    p.default_value = text.value_or("");
  }
  return p;
}

void read_parameters(Table& root, WorkloadInfo& info) {
  const toml::node* node = root.find("parameter");
  if (!node) return;
  const toml::array* list = node->as_array();
  if (!list || !list->is_array_of_tables())
    return root.wrong_type("parameter", *node, "[[parameter]]");
  for (const toml::node& item : *list) {
    Parameter p = read_parameter(*item.as_table(), root.problems());
    if (std::ranges::count(info.parameters, p.name, &Parameter::name))
      root.problems().add(item, "parameter." + p.name, "is declared twice");
    info.parameters.push_back(std::move(p));
  }
}

// "overcommit=2": one setting each, that the workload takes.
void read_races(Table& root, HintedWorkload& workload) {
  const WorkloadInfo& info = workload.info;
  std::vector<std::string> settings;
  root.read("races", settings);
  for (const std::string& text : settings) {
    const auto setting = parse_setting(text);
    const auto known = setting
                           ? std::ranges::find(info.parameters, setting->first, &Parameter::name)
                           : info.parameters.end();
    const std::string wrong = known == info.parameters.end()
                                  ? "is no setting of this workload"
                                  : problem_with(*known, setting->second);
    if (wrong.empty())
      workload.races.push_back(*setting);
    else
      root.problems().add(*root.find("races"), "races", in_quotes(text) + " " + wrong);
  }
}

void read_host(Table& root, WorkloadInfo& info) {
  const toml::node* node = root.find("host");
  if (!node) return;
  const toml::table* toml = node->as_table();
  if (!toml) return root.wrong_type("host", *node, "a table");
  HostAction host;
  Table table(*toml, "host.", root.problems());
  table.require("action");
  table.require("port_parameter");
  table.read("action", host.action);
  table.read("port_parameter", host.port_parameter);
  table.finish();
  if (!host.action.empty() && host.action != "vsock-connect")
    root.problems().add(*node, "host.action",
                        in_quotes(host.action) + " is not one of vsock-connect");
  auto port = std::ranges::find(info.parameters, host.port_parameter, &Parameter::name);
  if (port == info.parameters.end() || port->type != ParameterType::integer)
    root.problems().add(*node, "host.port_parameter", "must name an integer parameter");
  info.host = host;
}

std::vector<std::string> names_of(const std::vector<Parameter>& parameters) {
  std::vector<std::string> names;
  for (const Parameter& p : parameters) names.push_back(p.name);
  return names;
}

}  // namespace

Result<WorkloadInfo> parse_workload(std::string_view toml, std::string_view file) {
  return std::move(KTRIAL_TRY(parse_hinted_workload(toml, file)).info);
}

Result<HintedWorkload> parse_hinted_workload(std::string_view toml, std::string_view file) {
  Problems problems(file);
  auto parsed = parse_toml(toml, file, problems);
  if (!parsed) return std::unexpected(problems.error());
  HintedWorkload workload;
  WorkloadInfo& info = workload.info;
  Table root(*parsed, "", problems);
  for (const char* key : {"name", "summary", "stresses", "invariant", "progress"})
    root.require(key);
  root.read("name", info.name);
  root.read("summary", info.summary);
  root.read("stresses", info.stresses);
  root.read("touches", workload.touches);
  root.read("kconfig", info.kconfig);
  root.read("modules", info.modules);
  root.read("min_cpus", info.min_cpus, 1, kMaxCpus);
  root.read("needs_vsock", info.needs_vsock);
  root.read("patches_code", info.patches_code);
  root.read("invariant", info.invariant);
  root.read("progress", info.progress);
  root.read("stall_after_s", info.stall_after_s, 0.1, 3600);
  double duration = 0;
  root.read("default_duration_s", duration, 0.1, 86400);
  if (duration > 0) info.default_duration_s = duration;
  read_parameters(root, info);
  read_races(root, workload);
  read_host(root, info);
  root.finish();
  if (!problems.empty()) return std::unexpected(problems.error());
  return workload;
}

Result<WorkloadInfo> load_workload(const fs::path& toml_file) {
  std::string text = KTRIAL_TRY(read_file(toml_file, kMostOfAFile));
  WorkloadInfo info = KTRIAL_TRY(parse_workload(text, toml_file.string()));
  info.directory = toml_file.parent_path();
  if (info.name != info.directory.filename())
    return usage_error(toml_file.string() + ": name: " + in_quotes(info.name) +
                       " is not the name of its folder");
  return info;
}

Result<std::vector<WorkloadInfo>> list_workloads(const fs::path& dir) {
  std::vector<WorkloadInfo> out;
  std::error_code error;
  fs::directory_iterator it(dir, error), end;
  if (error) return fail_errno("read the workloads in " + dir.string(), error.value());
  for (; it != end; it.increment(error)) {
    const fs::path file = it->path() / "workload.toml";
    if (fs::exists(file, error)) out.push_back(KTRIAL_TRY(load_workload(file)));
  }
  std::ranges::sort(out, {}, &WorkloadInfo::name);
  return out;
}

Result<std::vector<HintedWorkload>> list_hinted_workloads(const fs::path& dir) {
  std::vector<HintedWorkload> out;
  for (const WorkloadInfo& info : KTRIAL_TRY(list_workloads(dir))) {
    const fs::path file = info.directory / "workload.toml";
    const std::string text = KTRIAL_TRY(read_file(file, kMostOfAFile));
    out.push_back(KTRIAL_TRY(parse_hinted_workload(text, file.string())));
    out.back().info.directory = info.directory;
  }
  return out;
}

Result<WorkloadInfo> find_workload(const fs::path& dir, std::string_view name) {
  if (is_combination(name))
    return find_combination(name, [&](std::string_view part) { return find_workload(dir, part); });
  const bool plain = !name.empty() && name.find('/') == std::string_view::npos && name[0] != '.';
  std::error_code error;
  if (plain && fs::exists(dir / name / "workload.toml", error))
    return load_workload(dir / name / "workload.toml");
  auto all = KTRIAL_TRY(list_workloads(dir));
  std::vector<std::string> names;
  std::string listed;
  for (const WorkloadInfo& info : all) {
    names.push_back(info.name);
    listed += (listed.empty() ? "" : ", ") + info.name;
  }
  const std::string near = suggest(name, names);
  return usage_error("there is no workload " + in_quotes(name) +
                         (near.empty() ? "" : "; did you mean '" + near + "'?"),
                     "there are: " + (listed.empty() ? "none in " + dir.string() : listed));
}

Result<std::map<std::string, std::string>> resolve_parameters(
    const WorkloadInfo& info, const std::map<std::string, std::string>& settings,
    const std::map<std::string, std::string>& places) {
  std::map<std::string, std::string> out;
  for (const Parameter& p : info.parameters) out[p.name] = p.default_value;
  std::string problems;
  auto add = [&](const std::string& key, const std::string& problem) {
    const auto place = places.find(key);
    problems += (problems.empty() ? "" : "\n") +
                (place == places.end() ? "--set " + key : place->second) + ": " + problem;
  };
  for (const auto& [key, value] : settings) {
    auto p = std::ranges::find(info.parameters, key, &Parameter::name);
    if (p == info.parameters.end()) {
      const std::string near = suggest(key, names_of(info.parameters));
      add(key, "workload '" + info.name + "' has no such parameter" +
                   (near.empty() ? "" : "; did you mean '" + near + "'?"));
      continue;
    }
    if (std::string wrong = problem_with(*p, value); !wrong.empty()) add(key, wrong);
    out[key] = value;
  }
  if (!problems.empty())
    return usage_error(problems, "`ktrial workload show " + info.name + "` lists its parameters");
  return out;
}

Status check_requirements(const WorkloadInfo& info, const TrialSpec& spec) {
  if (spec.cpus < info.min_cpus)
    return usage_error("workload '" + info.name + "' needs " + std::to_string(info.min_cpus) +
                           " CPUs, the guest has " + std::to_string(spec.cpus),
                       "give --cpus " + std::to_string(info.min_cpus) + " or more");
  if (info.needs_vsock && spec.channel == ChannelKind::virtio_serial)
    return usage_error(
        "workload '" + info.name + "' needs vsock; virtio-serial gives the guest none",
        "give --channel auto");
  return {};
}

}  // namespace ktrial::spec
