#include "harness/spec/load.h"

#include <algorithm>
#include <functional>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/spec/parse.h"
#include "harness/spec/toml_reader.h"
#include "harness/spec/trace_request.h"

namespace ktrial::spec {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;  // bytes

bool is_setting_key(std::string_view key) {
  return parse_setting(std::string(key) + "=").has_value();
}

void read_settings(Table& root, TrialSpec& spec) {
  const toml::node* node = root.find("set");
  if (!node) return;
  const toml::table* table = node->as_table();
  if (!table) return root.wrong_type("set", *node, "a table");
  for (const auto& [key, value] : *table) {
    const std::string shown = "set." + std::string(key.str());
    auto text = scalar_text(value);
    if (!is_setting_key(key.str())) {
      root.problems().add(value, shown, "a key is lower-case letters, digits, _ and -");
    } else if (!text) {
      root.problems().add(value, shown, "must be a string, an integer, true or false");
    } else {
      spec.set_parameter(std::string(key.str()), *text, root.problems().place(value, shown));
    }
  }
}

// A duration or size may be given as a string only; see parse.h.
TrialSpec read_base(Table& root) {
  TrialSpec spec;
  root.read("kernel", spec.kernel);
  root.read("workload", spec.workload);
  root.read("command", spec.command);
  if (const toml::node* node = root.find("command"))
    if (const toml::array* list = node->as_array(); list != nullptr && list->empty())
      root.problems().add(*node, "command", "the list is empty; it begins with a program");
  read_settings(root, spec);
  root.read("cpus", spec.cpus, 1, kMaxCpus);
  root.read_with("memory", spec.memory_mib, parse_size);
  root.read("repeat", spec.repeat, 1, kMaxRepeat);
  root.read("until_fail", spec.until_fail);
  root.read_with("duration", spec.duration, parse_duration);
  root.read_with("timeout", spec.timeout, parse_duration);
  root.read("trace", spec.trace);
  root.read_with("trace_buffer", spec.trace_buffer_kib, parse_trace_buffer);
  root.read("trace_clock", spec.trace_clock);
  root.read("trace_stop", spec.trace_stop);
  root.read("core", spec.core);
  root.read("fail_on", spec.fail_on);
  root.read_with("accel", spec.accel, parse_accel);
  root.read_with("vmm", spec.vmm, parse_vmm);
  root.read("connect", spec.connect);
  root.read_with("channel", spec.channel, parse_channel);
  root.read_with("machine", spec.machine, parse_machine);
  root.read("append", spec.append);
  if (!spec.command.empty()) spec.workload.clear();
  return spec;
}

// One [matrix] key: each entry sets one value on a spec.
using Axis = std::vector<std::function<void(TrialSpec&)>>;

void read_axis(Table& matrix, std::string_view key, std::vector<Axis>& axes,
               const std::function<std::function<void(TrialSpec&)>(const toml::node&)>& entry) {
  const toml::node* node = matrix.find(key);
  if (!node) return;
  const toml::array* list = node->as_array();
  if (!list) return matrix.wrong_type(key, *node, "a list");
  if (list->empty()) return matrix.problems().add(*node, matrix.shown(key), "the list is empty");
  Axis axis;
  for (const toml::node& item : *list)
    if (auto set = entry(item)) axis.push_back(std::move(set));
  axes.push_back(std::move(axis));
}

void read_string_axis(Table& matrix, std::string_view key, std::string TrialSpec::* member,
                      std::vector<Axis>& axes) {
  read_axis(matrix, key, axes, [&](const toml::node& item) -> std::function<void(TrialSpec&)> {
    auto text = item.value_exact<std::string>();
    if (text && !text->empty())
      return [=, name = std::string(key)](TrialSpec& spec) {
        spec.*member = *text;
        spec.axes.emplace_back(name, *text);
      };
    matrix.problems().add(item, matrix.shown(key), "must be a string that is not empty");
    return nullptr;
  });
}

std::vector<Axis> read_matrix(const toml::table& table, Problems& problems) {
  std::vector<Axis> axes;
  Table matrix(table, "matrix.", problems);
  read_string_axis(matrix, "kernel", &TrialSpec::kernel, axes);
  read_string_axis(matrix, "workload", &TrialSpec::workload, axes);
  read_axis(matrix, "cpus", axes, [&](const toml::node& item) -> std::function<void(TrialSpec&)> {
    auto value = item.value_exact<std::int64_t>();
    if (value && *value >= 1 && *value <= kMaxCpus)
      return [n = static_cast<int>(*value)](TrialSpec& spec) {
        spec.cpus = n;
        spec.axes.emplace_back("cpus", std::to_string(n));
      };
    problems.add(item, "matrix.cpus", "must be an integer in 1.." + std::to_string(kMaxCpus));
    return nullptr;
  });
  if (const toml::node* node = matrix.find("set")) {
    const toml::table* settings = node->as_table();
    if (!settings) {
      matrix.wrong_type("set", *node, "a table of lists");
    } else {
      Table set(*settings, "matrix.set.", problems);
      for (const auto& [key, value] : *settings) {
        const std::string text_key(key.str());
        if (!is_setting_key(text_key))
          problems.add(value, set.shown(text_key), "a key is lower-case letters, digits, _ and -");
        read_axis(
            set, text_key, axes, [&](const toml::node& item) -> std::function<void(TrialSpec&)> {
              if (auto text = scalar_text(item))
                return [=, place = problems.place(item, set.shown(text_key))](TrialSpec& spec) {
                  spec.set_parameter(text_key, *text, place);
                  spec.axes.emplace_back("set." + text_key, *text);
                };
              problems.add(item, set.shown(text_key),
                           "must be a string, an integer, true or false");
              return nullptr;
            });
      }
    }
  }
  matrix.finish();
  return axes;
}

std::vector<TrialSpec> expand(const TrialSpec& base, const std::vector<Axis>& axes) {
  std::vector<TrialSpec> specs{base};
  for (const Axis& axis : axes) {
    std::vector<TrialSpec> next;
    for (const TrialSpec& spec : specs)
      for (const auto& set : axis) set(next.emplace_back(spec));
    specs = std::move(next);
  }
  return specs;
}

}  // namespace

Result<std::vector<TrialSpec>> parse_spec(std::string_view toml, std::string_view file) {
  Problems problems(file);
  auto parsed = parse_toml(toml, file, problems);
  if (!parsed) return std::unexpected(problems.error());
  Table root(*parsed, "", problems);
  const TrialSpec base = read_base(root);
  std::vector<Axis> axes;
  if (const toml::node* node = root.find("matrix")) {
    if (const toml::table* table = node->as_table()) {
      axes = read_matrix(*table, problems);
    } else {
      root.wrong_type("matrix", *node, "a table");
    }
    std::size_t total = 1;
    for (const Axis& axis : axes) total = std::min(total * axis.size(), kMaxMatrix + 1);
    if (total > kMaxMatrix)
      problems.add(*node, "matrix", "makes more than " + std::to_string(kMaxMatrix) + " specs");
  }
  if (parsed->contains("command") && parsed->contains("workload"))
    problems.add(*parsed->get("command"), "command",
                 "cannot stand beside workload: which one runs?");
  root.finish();
  // What only shows between keys: each line of the error begins with its key. A key whose value
  // was refused has its default here.
  const auto valid = validate(base);
  std::string_view lines = valid ? std::string_view() : valid.error().message;
  while (const auto line = take_line(lines)) {
    const toml::node* node = parsed->get(line->substr(0, line->find(':')));
    problems.add(node ? node->source().begin.line : 0, "", std::string(*line));
  }
  if (!problems.empty()) return std::unexpected(problems.error());
  return expand(base, axes);
}

Result<std::vector<TrialSpec>> load(const std::filesystem::path& path) {
  auto text = read_file(path, kMaxFile);
  if (!text) {
    Error error = std::move(text).error();
    error.kind = ErrorKind::usage;
    return std::unexpected(std::move(error).in("spec file"));
  }
  return parse_spec(*text, path.string());
}

}  // namespace ktrial::spec
