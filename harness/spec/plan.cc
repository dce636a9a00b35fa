#include "harness/spec/plan.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>

#include "harness/base/text.h"
#include "harness/spec/cells.h"
#include "harness/spec/parse.h"
#include "harness/spec/validate.h"

namespace ktrial::spec {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr char kConfig[] = "config";  // the axis of configuration fragments

bool is_folder_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && text.front() != '.' && text.front() != '-' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

bool matches(const std::string& glob, std::string_view text) {
  return ::fnmatch(glob.c_str(), std::string(text).c_str(), 0) == 0;
}

// "2027-06-30", if `text` is a day.
std::optional<std::string> day_of(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = to_number<int>(text.substr(0, 4));
  const auto month = to_number<unsigned>(text.substr(5, 2));
  const auto day = to_number<unsigned>(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                         std::chrono::day(*day)};
  return date.ok() ? std::optional(std::string(text)) : std::nullopt;
}

std::string day_text(const toml::date& date) {
  char out[16];
  std::snprintf(out, sizeof out, "%04u-%02u-%02u", unsigned{date.year} % 10000,
                unsigned{date.month} % 100, unsigned{date.day} % 100);
  return out;
}

class Reader {
 public:
  Reader(const toml::table& parsed, Problems& problems)
      : parsed_(parsed), problems_(problems), root_(parsed, "", problems) {}

  Plan read() {
    read_header();
    read_goal();
    read_tables("known",
                [this](Table& table, const toml::table& node) { read_known(table, node); });
    for (const char* key : {"repeat", "until_fail"})
      if (const toml::node* node = parsed_.get(key))
        problems_.add(*node, key, "is not of a plan; [goal] says when a cell has had enough");
    Cells cells = read_cells(root_, parsed_, problems_, kConfig);
    base_ = std::move(cells.base);
    for (TrialSpec& spec : cells.specs) add_cell(std::move(spec));
    read_tables("exclude", [this](Table& table, const toml::table& node) { exclude(table, node); });
    read_tables("include", [this](Table& table, const toml::table& node) { include(table, node); });
    root_.finish();
    check_cells();
    return std::move(plan_);
  }

 private:
  void read_header() {
    root_.require("name");
    root_.read("name", plan_.name);
    if (const toml::node* node = parsed_.get("name");
        node && node->is_string() && !is_folder_name(plan_.name))
      problems_.add(*node, "name",
                    "must be 1 to 64 letters, digits, '_', '-' and '.': a folder has it");
    root_.read_with("budget", plan_.budget, parse_duration);
    if (plan_.budget && plan_.budget->count() <= 0)
      problems_.add(*parsed_.get("budget"), "budget", "0 leaves no time for a trial");
    int most = 0;
    root_.read("max_trials", most, 1, 100'000'000);
    if (most > 0) plan_.max_trials = most;
    int seed = 1;
    root_.read("seed", seed, 0, INT32_MAX);
    plan_.seed = static_cast<std::uint64_t>(seed);
    root_.read("cold_share", plan_.cold_share, 0, 1);
    root_.read("nights", plan_.nights, 0, 1000);
    root_.read("keep_per_signature", plan_.keep_per_signature, 0, 1'000'000);
    root_.read("keep_passes", plan_.keep_passes);
    read_program("on_new_failure", plan_.on_new_failure);
    read_program("at_end", plan_.at_end);
    root_.read("tree", plan_.build.tree);
    root_.read("base_config", plan_.build.base_config);
    root_.read("compiler", plan_.build.compiler);
    root_.read(kConfig, plan_.build.config);
  }

  void read_program(const char* key, std::vector<std::string>& into) {
    root_.read(key, into);
    const toml::node* node = parsed_.get(key);
    if (node && node->is_array() &&
        (node->as_array()->empty() || (!into.empty() && into.front().empty())))
      problems_.add(*node, key, "the list begins with a program");
  }

  void read_goal() {
    const toml::node* node = root_.find("goal");
    bool endless = true;
    if (node && !node->is_table()) root_.wrong_type("goal", *node, "a table");
    if (node && node->is_table()) {
      Table table(*node->as_table(), "goal.", problems_);
      bool until_fail = false;
      table.read("trials", plan_.goal.trials, 1, kMaxRepeat);
      table.read("rate_below", plan_.goal.rate_below, 1e-6, 0.999);
      table.read("until_fail", until_fail);
      table.read("confidence", plan_.confidence, 0.5, 0.9999);
      table.finish();
      const int kinds = (plan_.goal.trials > 0) + (plan_.goal.rate_below > 0) + until_fail;
      if (kinds > 1)
        problems_.add(*node, "goal", "trials, rate_below and until_fail exclude each other");
      plan_.goal.kind = until_fail                  ? Goal::Kind::until_fail
                        : plan_.goal.rate_below > 0 ? Goal::Kind::rate_below
                        : plan_.goal.trials > 0     ? Goal::Kind::trials
                                                    : Goal::Kind::none;
      endless = plan_.goal.kind != Goal::Kind::trials && node->as_table()->get("trials") == nullptr;
    }
    if (endless && !parsed_.contains("budget") && !parsed_.contains("max_trials"))
      problems_.add(node ? node->source().begin.line : 0, node ? "goal" : "budget",
                    "without budget or max_trials this need not end");
  }

  template <class Read>
  void read_tables(const char* key, Read&& read) {
    const toml::node* node = root_.find(key);
    if (!node) return;
    const toml::array* list = node->as_array();
    if (!list) return root_.wrong_type(key, *node, "[[tables]]");
    for (const toml::node& item : *list) {
      const toml::table* one = item.as_table();
      if (!one) {
        problems_.add(item, key, "must be a table");
        continue;
      }
      Table table(*one, std::string(key) + ".", problems_);
      read(table, *one);
    }
  }

  void read_known(Table& table, const toml::table& node) {
    Known known{.place = problems_.place(node, "")};
    table.require("signature");
    table.read("signature", known.signature);
    table.read("kernel", known.kernel);
    table.read("link", known.link);
    if (const toml::node* until = table.find("until")) {
      const auto text = until->value_exact<std::string>();
      const auto day = text ? day_of(*text) : std::nullopt;
      if (const auto date = until->value_exact<toml::date>())
        known.until = day_text(*date);
      else if (day)
        known.until = *day;
      else
        problems_.add(*until, "known.until", "must be a day, as 2027-06-30");
    }
    table.finish();
    plan_.known.push_back(std::move(known));
  }

  void add_cell(TrialSpec spec) {
    PlanCell cell{std::move(spec), plan_.build.config};
    for (const auto& [name, value] : cell.spec.axes)
      if (name == kConfig)
        for (const std::string_view part : split(value, ',')) cell.config.emplace_back(part);
    plan_.cells.push_back(std::move(cell));
  }

  // Axes' values as globs; a cell that matches all of them is left out.
  void exclude(Table& table, const toml::table& node) {
    std::vector<std::pair<std::string, std::string>> wanted;
    const auto take = [&](const std::string& axis, const toml::node& value) {
      const bool known = std::ranges::any_of(plan_.cells, [&](const PlanCell& cell) {
        return std::ranges::any_of(cell.spec.axes,
                                   [&](const auto& one) { return one.first == axis; });
      });
      if (!known) problems_.add(value, "exclude." + axis, "is no axis of the matrix");
      wanted.emplace_back(axis, axis_text(value));
    };
    for (const auto& [key, value] : node) {
      table.find(key.str());
      const toml::table* settings = key.str() == "set" ? value.as_table() : nullptr;
      if (!settings) {
        take(std::string(key.str()), value);
        continue;
      }
      for (const auto& [name, setting] : *settings) take("set." + std::string(name.str()), setting);
    }
    if (wanted.empty()) return problems_.add(node, "exclude", "names no axis");
    std::erase_if(plan_.cells, [&](const PlanCell& cell) {
      return std::ranges::all_of(wanted, [&](const auto& want) {
        return std::ranges::any_of(cell.spec.axes, [&](const auto& one) {
          return one.first == want.first && matches(want.second, one.second);
        });
      });
    });
  }

  // One more cell: what stands outside of the matrix, and these keys over it.
  void include(Table& table, const toml::table& node) {
    TrialSpec spec = base_;
    read_over(table, spec);
    std::string config;
    table.read(kConfig, config);
    table.finish();
    if (node.contains("workload") && !node.contains("command")) spec.command.clear();
    for (const auto& [key, value] : node) {
      if (key.str() != "set") {
        spec.axes.emplace_back(key.str(), axis_text(value));
      } else if (const toml::table* settings = value.as_table()) {
        for (const auto& [name, setting] : *settings)
          spec.axes.emplace_back("set." + std::string(name.str()), axis_text(setting));
      }
    }
    if (const auto valid = validate(spec); !valid) problems_.add(node, "include", valid.error());
    add_cell(std::move(spec));
  }

  void check_cells() {
    if (plan_.cells.empty() && problems_.empty())
      problems_.add(0, "exclude", "no cell of the matrix is left");
    if (plan_.cells.size() > kMaxMatrix)
      problems_.add(0, "include", "more than " + std::to_string(kMaxMatrix) + " cells");
    std::map<std::string, int> names;
    for (PlanCell& cell : plan_.cells) {
      if (++names[cell_name(cell.spec)] == 2)
        problems_.add(0, "matrix", "two cells are called '" + cell_name(cell.spec) + "'");
      if (!cell.config.empty() && plan_.build.tree.empty()) needs_tree_ = true;
      if (cell.spec.kernel.starts_with("git:") && plan_.build.tree.empty()) needs_tree_ = true;
    }
    if (needs_tree_)
      problems_.add(0, "tree", "is missing: kernels git:REV and config are built from a tree");
  }

  const toml::table& parsed_;
  Problems& problems_;
  Table root_;
  Plan plan_;
  TrialSpec base_;
  bool needs_tree_ = false;
};

}  // namespace

bool covers(const Known& known, std::string_view signature, std::string_view kernel) {
  return matches(known.signature, signature) && matches(known.kernel, kernel);
}

bool expired(const Known& known, std::string_view today) {
  return !known.until.empty() && known.until < today;
}

Result<Plan> parse_plan(std::string_view toml, std::string_view file) {
  Problems problems(file, "the format is described in docs/campaigns.md");
  const auto parsed = parse_toml(toml, file, problems);
  if (!parsed) return std::unexpected(problems.error());
  Plan plan = Reader(*parsed, problems).read();
  if (!problems.empty()) return std::unexpected(problems.error());
  return plan;
}

Result<Plan> load_plan(const std::filesystem::path& path) {
  return parse_plan(KTRIAL_TRY(read_spec_file(path, "plan")), path.string());
}

}  // namespace ktrial::spec
