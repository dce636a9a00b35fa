#include "harness/spec/toml_reader.h"

#include <algorithm>

#include "harness/base/text.h"
#include "harness/spec/parse.h"

namespace ktrial::spec {
namespace {

const char* type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

}  // namespace

void Problems::add(std::uint32_t line, std::string_view key, const std::string& problem) {
  problems_.push_back({line, place(line, key) + ": " + problem});
}

std::string Problems::place(std::uint32_t line, std::string_view key) const {
  std::string text = file_;
  if (line > 0) text += ":" + std::to_string(line);
  if (!key.empty()) text += ": " + std::string(key);
  return text;
}

void Problems::add(const toml::node& node, std::string_view key, const Error& error) {
  std::string_view lines = error.message;
  while (const auto line = take_line(lines)) add(node, key, std::string(*line));
}

Error Problems::error() const {
  auto sorted = problems_;
  std::ranges::stable_sort(sorted, {}, &Problem::line);
  std::string all;
  for (const Problem& problem : sorted) all += (all.empty() ? "" : "\n") + problem.text;
  return {ErrorKind::usage, all, hint_};
}

std::optional<toml::table> parse_toml(std::string_view text, std::string_view file,
                                      Problems& problems) {
  try {  // The library reports by exception; none leaves this function.
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    problems.add(error.source().begin.line, "", std::string(error.description()));
  }
  return std::nullopt;
}

const toml::node* Table::find(std::string_view key) {
  known_.emplace_back(key);
  if (table_ == nullptr) return key == only_key_ ? only_ : nullptr;
  return table_->get(key);
}

void Table::wrong_type(std::string_view key, const toml::node& node, const char* wanted) {
  problems_.add(node, shown(key), "must be " + std::string(wanted) + ", not " + type_name(node));
}

void Table::read(std::string_view key, std::string& into) {
  const toml::node* node = find(key);
  if (!node) return;
  if (auto value = node->value_exact<std::string>()) {
    if (value->find('\0') != std::string::npos)
      return problems_.add(*node, shown(key), "must not hold a NUL byte");
    into = *value;
  } else {
    wrong_type(key, *node, "a string");
  }
}

void Table::read(std::string_view key, bool& into) {
  const toml::node* node = find(key);
  if (!node) return;
  if (auto value = node->value_exact<bool>()) {
    into = *value;
  } else {
    wrong_type(key, *node, "true or false");
  }
}

void Table::read(std::string_view key, int& into, int low, int high) {
  const toml::node* node = find(key);
  if (!node) return;
  auto value = node->value_exact<std::int64_t>();
  if (!value) return wrong_type(key, *node, "an integer");
  if (*value < low || *value > high)
    return problems_.add(*node, shown(key),
                         std::to_string(*value) + " is outside " + std::to_string(low) + ".." +
                             std::to_string(high));
  into = static_cast<int>(*value);
}

void Table::read(std::string_view key, double& into, double low, double high) {
  const toml::node* node = find(key);
  if (!node) return;
  auto value = node->is_number() ? node->value<double>() : std::nullopt;
  if (!value) return wrong_type(key, *node, "a number");
  if (!(*value >= low && *value <= high)) {
    std::ostringstream text;
    text << *value << " is outside " << low << ".." << high;
    return problems_.add(*node, shown(key), text.str());
  }
  into = *value;
}

void Table::read(std::string_view key, std::vector<std::string>& into) {
  const toml::node* node = find(key);
  if (!node) return;
  const toml::array* list = node->as_array();
  if (!list) return wrong_type(key, *node, "a list of strings");
  std::vector<std::string> out;
  for (const toml::node& item : *list) {
    auto text = item.value_exact<std::string>();
    if (!text || text->find('\0') != std::string::npos)
      return wrong_type(key, item, "a list of strings");
    out.push_back(*text);
  }
  into = std::move(out);
}

void Table::require(std::string_view key) {
  if (table_ != nullptr && !table_->contains(key))
    problems_.add(table_->source().begin.line, shown(key), "is missing");
}

void Table::finish() {
  if (table_ == nullptr) return;
  for (const auto& [key, node] : *table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    const std::string near = suggest(key.str(), known_);
    problems_.add(key.source().begin.line, shown(key.str()),
                  "unknown key" + (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
}

std::optional<std::string> scalar_text(const toml::node& node) {
  if (auto text = node.value_exact<std::string>()) return text;
  if (auto value = node.value_exact<std::int64_t>()) return std::to_string(*value);
  if (auto value = node.value_exact<bool>()) return *value ? "true" : "false";
  return std::nullopt;
}

}  // namespace ktrial::spec
