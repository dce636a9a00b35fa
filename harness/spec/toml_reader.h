// Reading TOML while collecting every problem. Internal to this folder.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::spec {

class Problems {
 public:
  explicit Problems(std::string_view file,
                    std::string_view hint = "the format is described in docs/spec-format.md")
      : file_(file), hint_(hint) {}
  // "FILE:LINE: KEY: problem". Line 0 leaves the line out.
  void add(std::uint32_t line, std::string_view key, const std::string& problem);
  void add(const toml::node& node, std::string_view key, const std::string& problem) {
    add(node.source().begin.line, key, problem);
  }
  // Adds each line of a failed Result under `key`.
  void add(const toml::node& node, std::string_view key, const Error& error);
  // "FILE:LINE: KEY", as an error names it.
  std::string place(std::uint32_t line, std::string_view key) const;
  std::string place(const toml::node& node, std::string_view key) const {
    return place(node.source().begin.line, key);
  }
  bool empty() const { return problems_.empty(); }
  std::size_t count() const { return problems_.size(); }
  // All of them as one usage error, in the order of the file.
  Error error() const;

 private:
  struct Problem {
    std::uint32_t line;
    std::string text;
  };
  std::string file_, hint_;
  std::vector<Problem> problems_;
};

// Parses; a syntax error is the one problem that hides all others.
std::optional<toml::table> parse_toml(std::string_view text, std::string_view file,
                                      Problems& problems);

// The keys of one table. Every key asked for is known; the destructor-free
// finish() reports the others as unknown, with the nearest known one.
class Table {
 public:
  Table(const toml::table& table, std::string prefix, Problems& problems)
      : table_(&table), prefix_(std::move(prefix)), problems_(problems) {}
  // As if a table held this node alone; `only` must outlive it.
  Table(std::string_view key, const toml::node& only, std::string prefix, Problems& problems)
      : only_(&only), only_key_(key), prefix_(std::move(prefix)), problems_(problems) {}

  // The node, or null; registers the key as known.
  const toml::node* find(std::string_view key);
  // "matrix.cpus": the key as shown to the user.
  std::string shown(std::string_view key) const { return prefix_ + std::string(key); }

  // Each leaves `into` alone when the key is absent or wrong (then reported).
  void read(std::string_view key, std::string& into);
  void read(std::string_view key, bool& into);
  void read(std::string_view key, int& into, int low, int high);
  void read(std::string_view key, double& into, double low, double high);
  void read(std::string_view key, std::vector<std::string>& into);
  // A string that `parse` (text -> Result<T>) understands.
  template <class T, class Parse>
  void read_with(std::string_view key, T& into, Parse&& parse) {
    const toml::node* node = find(key);
    if (!node) return;
    auto text = node->value_exact<std::string>();
    if (!text) return wrong_type(key, *node, "a string");
    if (auto value = parse(*text)) {
      into = *value;
    } else {
      problems_.add(*node, shown(key), value.error());
    }
  }
  void wrong_type(std::string_view key, const toml::node& node, const char* wanted);
  void require(std::string_view key);
  // Reports every key that nobody asked for.
  void finish();
  Problems& problems() { return problems_; }

 private:
  const toml::table* table_ = nullptr;
  const toml::node* only_ = nullptr;
  std::string only_key_;
  std::string prefix_;
  Problems& problems_;
  std::vector<std::string> known_;
};

// A scalar as the text that a workload would be given: "5", "true", "x".
std::optional<std::string> scalar_text(const toml::node& node);

}  // namespace ktrial::spec
