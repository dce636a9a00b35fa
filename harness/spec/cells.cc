#include "harness/spec/cells.h"

#include <algorithm>
#include <set>

#include "harness/base/text.h"
#include "harness/spec/parse.h"
#include "harness/spec/trace_request.h"
#include "harness/spec/validate.h"

namespace ktrial::spec {
namespace {

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

void read_command(Table& root, std::string_view key, TrialSpec& spec) {
  root.read(key, spec.command);
  if (const toml::node* node = root.find(key))
    if (const toml::array* list = node->as_array(); list != nullptr && list->empty())
      root.problems().add(*node, root.shown(key), "the list is empty; it begins with a program");
  if (!spec.command.empty()) spec.workload.clear();
}

// The keys of a spec that hold one value each, in their order; a duration or size may be given as
// a string only, see parse.h.
struct Key {
  std::string_view name;
  void (*read)(Table& root, std::string_view key, TrialSpec& spec);
  bool axis = true;  // a [matrix] may have it
};
// clang-format off
constexpr Key kKeys[] = {
    {"kernel", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.kernel); }},
    {"workload", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.workload); }},
    {"cpus", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.cpus, 1, kMaxCpus); }},
    {"command", read_command},
    {"memory", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.memory_mib, parse_size); }},
    {"repeat", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.repeat, 1, kMaxRepeat); }, false},
    {"until_fail", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.until_fail); }, false},
    {"duration", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.duration, parse_duration); }},
    {"timeout", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.timeout, parse_duration); }},
    {"trace", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.trace); }},
    {"trace_buffer", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.trace_buffer_kib, parse_trace_buffer); }},
    {"trace_clock", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.trace_clock); }},
    {"trace_stop", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.trace_stop); }},
    {"core", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.core); }},
    {"fail_on", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.fail_on); }, false},
    {"accel", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.accel, parse_accel); }},
    {"vmm", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.vmm, parse_vmm); }},
    {"connect", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.connect); }},
    {"channel", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.channel, parse_channel); }},
    {"machine", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.machine, parse_machine); }},
    {"append", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.append); }},
    {"start", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.start, parse_start); }},
    {"guest_seed", [](Table& t, auto key, TrialSpec& s) { t.read_with(key, s.guest_seed, parse_guest_seed); }},
    {"confirm_cold", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.confirm_cold, 0, kMaxConfirmCold); }, false},
    {"keep_machine", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.keep_machine); }, false},
    {"deterministic", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.deterministic); }},
    {"first_seed", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.seed, 1, kMaxSeed); }},
    {"shift", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.shift, 1, kMaxShift); }},
    {"one_thread", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.one_thread); }},
    {"delay_at", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.delay_at); }, false},
    {"perturb", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.perturb); }},
    {"root", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.root); }},
    {"cwd", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.cwd); }},
    {"env", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.env); }, false},
    {"shares", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.shares); }, false},
    {"input", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.input); }},
    {"output", [](Table& t, auto key, TrialSpec& s) { t.read(key, s.output); }, false},
};
// clang-format on

TrialSpec read_base(Table& root) {
  TrialSpec spec;
  for (const Key& key : kKeys) key.read(root, key.name, spec);
  read_settings(root, spec);
  if (!spec.command.empty()) spec.workload.clear();
  return spec;
}

}  // namespace

std::string axis_text(const toml::node& node) {
  if (auto text = scalar_text(node)) return *text;
  std::string out;
  if (const toml::array* list = node.as_array())
    for (const toml::node& word : *list)
      out += (out.empty() ? "" : " ") + shell_quoted(scalar_text(word).value_or(""));
  return out;
}

namespace {

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
        if (member != nullptr) spec.*member = *text;
        spec.axes.emplace_back(name, *text);
      };
    matrix.problems().add(item, matrix.shown(key), "must be a string that is not empty");
    return nullptr;
  });
}

// Of a value that stands in a list of a [matrix]: how a spec gets it. `item` must live on.
std::function<void(TrialSpec&)> setter(const Key& key, const toml::node& item, Problems& problems) {
  TrialSpec probe;
  const auto before = problems.count();
  Table one(key.name, item, "matrix.", problems);
  key.read(one, key.name, probe);
  if (problems.count() != before) return nullptr;
  return [&key, &item, text = axis_text(item)](TrialSpec& spec) {
    Problems none("");
    Table again(key.name, item, "", none);
    key.read(again, key.name, spec);
    spec.axes.emplace_back(key.name, text);
  };
}

// `more`: an axis that is no key of a spec; it is in the specs' axes only.
std::vector<Axis> read_matrix(const toml::table& table, Problems& problems, const char* more) {
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
  for (const Key& key : kKeys) {
    if (!key.axis || key.name == "kernel" || key.name == "workload" || key.name == "cpus") continue;
    read_axis(matrix, key.name, axes,
              [&](const toml::node& item) { return setter(key, item, problems); });
  }
  if (more != nullptr) read_string_axis(matrix, more, nullptr, axes);
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

// What only shows between keys: each line of the error begins with its key. A key whose value was
// refused has its default here.
void check(const TrialSpec& spec, const toml::table& root, std::set<std::string>& told,
           Problems& problems) {
  const auto valid = validate(spec);
  std::string_view lines = valid ? std::string_view() : valid.error().message;
  while (const auto line = take_line(lines)) {
    if (!told.emplace(*line).second) continue;
    const std::string_view key = line->substr(0, line->find(':'));
    const toml::node* node = root.get(key);
    if (!node && root["matrix"].is_table()) node = root["matrix"].as_table()->get(key);
    problems.add(node ? node->source().begin.line : 0, "", std::string(*line));
  }
}

}  // namespace

Cells read_cells(Table& root, const toml::table& parsed, Problems& problems, const char* more) {
  Cells out;
  out.base = read_base(root);
  std::vector<Axis> axes;
  if (const toml::node* node = root.find("matrix")) {
    if (const toml::table* table = node->as_table()) {
      axes = read_matrix(*table, problems, more);
      if (table->contains("command") && table->contains("workload"))
        problems.add(*table->get("command"), "matrix.command",
                     "cannot stand beside workload: which one runs?");
    } else {
      root.wrong_type("matrix", *node, "a table");
    }
    std::size_t total = 1;
    for (const Axis& axis : axes) total = std::min(total * axis.size(), kMaxMatrix + 1);
    if (total > kMaxMatrix) {
      problems.add(*node, "matrix", "makes more than " + std::to_string(kMaxMatrix) + " specs");
      return out;
    }
  }
  if (parsed.contains("command") && parsed.contains("workload"))
    problems.add(*parsed.get("command"), "command",
                 "cannot stand beside workload: which one runs?");
  std::set<std::string> told;
  check(out.base, parsed, told, problems);
  out.specs = expand(out.base, axes);
  for (const TrialSpec& spec : out.specs) check(spec, parsed, told, problems);
  return out;
}

void read_over(Table& table, TrialSpec& spec) {
  for (const Key& key : kKeys)
    if (key.axis) key.read(table, key.name, spec);
  read_settings(table, spec);
}

}  // namespace ktrial::spec
