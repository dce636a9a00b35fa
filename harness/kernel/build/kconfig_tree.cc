#include "harness/kernel/build/kconfig_tree.h"

#include <algorithm>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

// Bounds on what a tree may ask of us; Linux 7.0 has 1,800 files, five deep.
constexpr int kMaxNesting = 24;
constexpr int kMaxFiles = 20000;
constexpr std::size_t kMaxFile = 4u << 20;  // bytes

struct Block {
  enum class Kind { menu, condition, choice } kind;
  std::vector<std::string> conditions = {};
  // Of menus and choices: hides the prompts below.
  std::vector<std::string> visible_if = {};
};

std::size_t indentation(std::string_view line) {
  std::size_t column = 0;
  for (const char c : line) {
    if (c == '\t')
      column = (column | 7) + 1;
    else if (c == ' ')
      ++column;
    else
      break;
  }
  return column;
}

std::string_view first_word(std::string_view text) {
  return text.substr(0, text.find_first_of(" \t\""));
}

std::string_view after(std::string_view text, std::size_t length) {
  text.remove_prefix(std::min(length, text.size()));
  const std::size_t from = text.find_first_not_of(" \t");
  return from == std::string_view::npos ? std::string_view() : text.substr(from);
}

// The text without a comment that is outside of quotes, and without blanks at its ends.
std::string_view stripped(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quote != 0) {
      if (line[i] == quote) quote = 0;
    } else if (line[i] == '"' || line[i] == '\'') {
      quote = line[i];
    } else if (line[i] == '#') {
      line = line.substr(0, i);
    }
  }
  return trimmed(line);
}

// What follows the closing quote and `if` of: "text" if CONDITION
std::string_view condition_after_text(std::string_view text) {
  if (text.empty() || (text[0] != '"' && text[0] != '\'')) return {};
  const std::size_t close = text.find(text[0], 1);
  if (close == std::string_view::npos) return {};
  text = after(text, close + 1);
  return first_word(text) == "if" ? after(text, 2) : std::string_view();
}

class TreeReader {
 public:
  TreeReader(const fs::path& source, const std::string& srcarch,
             const std::set<std::string>& symbols)
      : source_(source), srcarch_(srcarch), symbols_(symbols) {}

  Status read(const std::string& name) {
    if (++files_ > kMaxFiles || nesting_ >= kMaxNesting)
      return fail(ErrorKind::environment,
                  "the Kconfig files of " + source_.string() + " include one another without end");
    const std::string text = KTRIAL_TRY(read_file(source_ / name, kMaxFile));
    ++nesting_;
    const Status done = read_lines(text, name);
    --nesting_;
    return done;
  }
  OptionDefinitions take() { return std::move(found_); }

 private:
  Status read_lines(std::string_view text, const std::string& name) {
    bool helping = false;
    std::size_t help = 0;  // its indentation, 0 before its first line
    std::string joined;
    for (int number = 1; const auto raw = take_line(text); ++number) {
      if (helping && in_help(*raw, help)) continue;
      helping = false;
      std::string_view line = stripped(*raw);
      if (line.ends_with('\\')) {
        joined += std::string(line.substr(0, line.size() - 1)) + " ";
        continue;
      }
      joined += line;
      if (joined == "help" || joined == "---help---")
        helping = true, help = 0;
      else if (!joined.empty())
        KTRIAL_TRY(statement(joined, name, number));
      joined.clear();
    }
    return {};
  }

  // Help ends at the first line that is indented less than its first one.
  static bool in_help(std::string_view line, std::size_t& indent) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return true;
    if (indent == 0) {
      indent = indentation(line);
      return indent != 0;
    }
    return indentation(line) >= indent;
  }

  Status statement(std::string_view line, const std::string& name, int number) {
    const std::string_view word = first_word(line);
    const std::string_view rest = after(line, word.size());
    if (word == "source") return source_statement(rest);
    if (word == "config" || word == "menuconfig")
      open_option(rest, name + ":" + std::to_string(number));
    else if (word == "menu")
      open_block({Block::Kind::menu});
    else if (word == "choice")
      open_block({Block::Kind::choice});
    else if (word == "if")
      open_block({Block::Kind::condition, {std::string(rest)}});
    else if (word == "endmenu" || word == "endif" || word == "endchoice")
      close_block();
    else if (word == "comment")
      current_ = nullptr, in_comment_ = true;
    else
      attribute(word, rest);
    return {};
  }

  Status source_statement(std::string_view quoted) {
    current_ = nullptr;
    std::string path(quoted);
    std::erase(path, '"');
    for (const std::string_view macro : {"$(SRCARCH)", "$SRCARCH", "$(ARCH)", "$ARCH"})
      if (const std::size_t at = path.find(macro); at != std::string::npos)
        path.replace(at, macro.size(), srcarch_);
    std::error_code error;
    // $(HEADER_ARCH) of user-mode Linux, or what a package left out.
    if (path.find('$') != std::string::npos || !fs::is_regular_file(source_ / path, error))
      return {};
    return read(path);
  }

  void open_option(std::string_view symbol, std::string where) {
    current_ = nullptr;
    in_comment_ = false;
    at_option_ = true;
    if (!symbols_.contains(std::string(symbol))) return;
    OptionDefinition definition{.where = std::move(where)};
    for (const Block& block : blocks_) {
      auto add = [](std::vector<std::string>& to, const std::vector<std::string>& from) {
        to.insert(to.end(), from.begin(), from.end());
      };
      add(definition.dependencies, block.conditions);
      add(definition.prompt_conditions, block.visible_if);
      if (block.kind == Block::Kind::choice) definition.in_choice = true;
    }
    current_ = &found_.emplace(symbol, std::move(definition))->second;
  }

  void open_block(Block block) {
    current_ = nullptr;
    in_comment_ = at_option_ = false;
    blocks_.push_back(std::move(block));
  }

  void close_block() {
    current_ = nullptr;
    at_option_ = in_comment_ = true;  // what follows belongs to no block
    if (!blocks_.empty()) blocks_.pop_back();
  }

  void attribute(std::string_view word, std::string_view rest) {
    if (in_comment_) return;
    const bool of_block = !at_option_ && !blocks_.empty();
    if (word == "depends") {
      const std::string condition(after(rest, 2));  // "on"
      if (current_ != nullptr) current_->dependencies.push_back(condition);
      if (of_block) blocks_.back().conditions.push_back(condition);
    } else if (word == "visible" && of_block) {
      blocks_.back().visible_if.emplace_back(after(rest, 2));  // "if"
    } else if (word == "bool" || word == "tristate" || word == "string" || word == "int" ||
               word == "hex" || word == "prompt") {
      if (current_ == nullptr || rest.empty()) return;
      current_->has_prompt = true;
      if (const auto condition = condition_after_text(rest); !condition.empty())
        current_->prompt_conditions.emplace_back(condition);
    }
  }

  const fs::path source_;
  const std::string srcarch_;
  const std::set<std::string>& symbols_;
  OptionDefinitions found_;
  std::vector<Block> blocks_;
  OptionDefinition* current_ = nullptr;  // into found_, whose elements stay where they are
  bool at_option_ = true;                // attributes belong to an option, else to blocks_.back()
  bool in_comment_ = false;
  int files_ = 0;
  int nesting_ = 0;
};

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : " and ") + part;
  return out;
}

std::vector<std::string> all_unmet(const std::vector<std::string>& expressions,
                                   const Config& config) {
  std::vector<std::string> unmet;
  for (const std::string& expression : expressions)
    for (std::string& part : unmet_parts(expression, config))
      if (std::ranges::find(unmet, part) == unmet.end()) unmet.push_back(std::move(part));
  return unmet;
}

std::string reason(const OptionDefinition& definition, const WantedOption& wanted,
                   const Config& config) {
  const std::string place = " (" + definition.where + ")";
  const auto unmet = all_unmet(definition.dependencies, config);
  if (wanted.value == "n") return "another option selects it, or it cannot be turned off" + place;
  if (!unmet.empty()) return "needs " + joined(unmet) + place;
  if (!definition.has_prompt) return "has no prompt: only other options can select it" + place;
  const auto hidden = all_unmet(definition.prompt_conditions, config);
  if (!hidden.empty()) return "can be chosen only with " + joined(hidden) + place;
  if (definition.in_choice) return "is one of a choice, and another one was taken" + place;
  return "its value is out of range, or another option sets it" + place;
}

}  // namespace

Result<OptionDefinitions> find_options(const fs::path& source, const std::string& srcarch,
                                       const std::set<std::string>& symbols) {
  TreeReader reader(source, srcarch, symbols);
  KTRIAL_TRY(reader.read("Kconfig"));
  return reader.take();
}

std::vector<MissingOption> explain(std::vector<MissingOption> missing, const Config& config,
                                   const OptionDefinitions& definitions) {
  std::vector<MissingOption> explained;
  for (MissingOption& option : missing) {
    const auto [from, to] = definitions.equal_range(option.wanted.symbol);
    if (from == to) {
      if (option.wanted.if_known) continue;
      option.reason = "no Kconfig file of this kernel defines it";
    } else {
      // Of several definitions the one that is closest to be met.
      const auto best = std::min_element(from, to, [&](const auto& a, const auto& b) {
        return all_unmet(a.second.dependencies, config).size() <
               all_unmet(b.second.dependencies, config).size();
      });
      option.reason = reason(best->second, option.wanted, config);
    }
    explained.push_back(std::move(option));
  }
  return explained;
}

}  // namespace ktrial::kernel
