#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "harness/base/text.h"
#include "harness/kernel/build/kconfig_tree.h"

namespace ktrial::kernel {
namespace {

constexpr int kMaxDepth = 64;  // of parentheses and negations; the kernel has five

struct Token {
  std::string text;
  bool quoted = false;
  std::size_t at = 0;  // where it begins
  bool at_end() const { return text.empty() && !quoted; }
};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' ||
         c == '/';
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) { advance(); }
  const Token& token() const { return token_; }
  void advance() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    token_ = {"", false, at_};
    if (at_ == text_.size()) return;
    const char c = text_[at_];
    if (c == '"' || c == '\'') return take_quoted(c);
    if (c == '$') return take_macro();
    if (is_word(c)) return take_word();
    for (const std::string_view two : {"&&", "||", "!=", "<=", ">="})
      if (text_.substr(at_, 2) == two) return take(2);
    take(1);
  }

 private:
  void take(std::size_t length) {
    token_.text = text_.substr(at_, length);
    at_ += token_.text.size();
  }
  void take_word() {
    std::size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    take(end - at_);
  }
  void take_quoted(char quote) {
    const std::size_t end = std::min(text_.find(quote, at_ + 1), text_.size());
    token_ = {std::string(text_.substr(at_ + 1, end - at_ - 1)), true, at_};
    at_ = std::min(end + 1, text_.size());
  }
  // $(...) with what is nested in it, as one token.
  void take_macro() {
    int depth = 0;
    std::size_t end = at_ + 1;
    for (; end < text_.size(); ++end) {
      if (text_[end] == '(') ++depth;
      if (text_[end] == ')' && --depth <= 0) {
        ++end;
        break;
      }
    }
    take(end - at_);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Token token_;
};

std::optional<long long> number(const std::string& text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const char* from = text.data() + (hex ? 2 : 0);
  const char* to = text.data() + text.size();
  long long value = 0;
  const auto [end, error] = std::from_chars(from, to, value, hex ? 16 : 10);
  if (error != std::errc() || end != to || from == to) return std::nullopt;
  return value;
}

Truth negated(Truth truth) {
  if (truth == Truth::no) return Truth::yes;
  return truth == Truth::yes ? Truth::no : truth;
}

// The enumerators rise from no to yes; what is unknown yields to what decides.
Truth both(Truth a, Truth b) {
  if (a == Truth::no || b == Truth::no) return Truth::no;
  if (a == Truth::unknown || b == Truth::unknown) return Truth::unknown;
  return std::min(a, b);
}
Truth either(Truth a, Truth b) {
  if (a == Truth::yes || b == Truth::yes) return Truth::yes;
  if (a == Truth::unknown || b == Truth::unknown) return Truth::unknown;
  return std::max(a, b);
}

// Recursive descent over: or := and ("||" and)*, and := not ("&&" not)*,
// not := "!" not | "(" or ")" | value [operator value].
class Evaluator {
 public:
  Evaluator(std::string_view text, const Config& config) : lexer_(text), config_(config) {}
  Truth run() {
    const Truth truth = any();
    return lexer_.token().at_end() ? truth : Truth::unknown;
  }
  struct Part {
    std::size_t begin, end;  // in the text
    Truth truth;
  };
  // The operands of && outside of parentheses; none if the text is no such
  // conjunction.
  std::vector<Part> conjuncts() {
    std::vector<Part> parts;
    do {
      const std::size_t begin = lexer_.token().at;
      const Truth truth = one();
      parts.push_back({begin, lexer_.token().at, truth});
    } while (accept("&&"));
    if (!lexer_.token().at_end()) parts.clear();
    return parts;
  }

 private:
  bool accept(std::string_view text) {
    if (lexer_.token().quoted || lexer_.token().text != text) return false;
    lexer_.advance();
    return true;
  }
  Truth any() {
    Truth truth = all();
    while (accept("||")) truth = either(truth, all());
    return truth;
  }
  Truth all() {
    Truth truth = one();
    while (accept("&&")) truth = both(truth, one());
    return truth;
  }
  Truth one() {
    if (++depth_ > kMaxDepth) return Truth::unknown;
    Truth truth = Truth::unknown;
    if (accept("!")) {
      truth = negated(one());
    } else if (accept("(")) {
      truth = any();
      accept(")");
    } else {
      truth = comparison();
    }
    --depth_;
    return truth;
  }
  Truth comparison() {
    const Token left = take_value();
    for (const std::string_view op : {"=", "!=", "<=", ">=", "<", ">"})
      if (accept(op)) return compared(left, op, take_value());
    if (!is_value(left)) return Truth::unknown;
    const std::string value = value_of(left);
    if (value == "y") return Truth::yes;
    return value == "m" ? Truth::module : Truth::no;
  }
  Token take_value() {
    Token token = lexer_.token();
    lexer_.advance();
    return token;
  }
  // Not a macro, an operator where a symbol should be, or the end.
  static bool is_value(const Token& token) {
    return token.quoted || (!token.text.empty() && is_word(token.text.front()));
  }
  std::string value_of(const Token& token) const {
    if (token.quoted || token.text == "y" || token.text == "m" || token.text == "n" ||
        number(token.text))
      return token.text;
    const auto found = config_.find(token.text);
    if (found == config_.end()) return "n";
    const std::string& value = found->second;
    if (value.size() >= 2 && value.starts_with('"')) return value.substr(1, value.size() - 2);
    return value;
  }
  Truth compared(const Token& left, std::string_view op, const Token& right) const {
    if (!is_value(left) || !is_value(right)) return Truth::unknown;
    const std::string a = value_of(left), b = value_of(right);
    const auto x = number(a), y = number(b);
    const int order = x && y ? (*x < *y ? -1 : *x > *y) : a.compare(b);
    const bool holds = op == "="    ? order == 0
                       : op == "!=" ? order != 0
                       : op == "<"  ? order < 0
                       : op == ">"  ? order > 0
                       : op == "<=" ? order <= 0
                                    : order >= 0;
    return holds ? Truth::yes : Truth::no;
  }

  Lexer lexer_;
  const Config& config_;
  int depth_ = 0;
};

std::string values_in(std::string_view text, const Config& config) {
  std::string out;
  std::set<std::string> seen;
  for (Lexer lexer(text); !lexer.token().at_end(); lexer.advance()) {
    const Token& token = lexer.token();
    if (token.quoted || std::isupper(static_cast<unsigned char>(token.text[0])) == 0 ||
        !seen.insert(token.text).second)
      continue;
    const auto found = config.find(token.text);
    out += (out.empty() ? "" : ", ") + token.text + "=" +
           (found == config.end() ? "n" : found->second);
  }
  return out;
}

}  // namespace

Truth evaluate(std::string_view expression, const Config& config) {
  return Evaluator(expression, config).run();
}

std::vector<std::string> unmet_parts(std::string_view expression, const Config& config) {
  auto parts = Evaluator(expression, config).conjuncts();
  if (parts.empty()) parts = {{0, expression.size(), evaluate(expression, config)}};
  std::vector<std::string> unmet;
  for (const auto& [begin, end, truth] : parts) {
    const std::string_view part = trimmed(expression.substr(begin, end - begin));
    if (part.empty() || truth == Truth::yes) continue;
    const std::string values = values_in(part, config);
    unmet.push_back(std::string(part) + (values.empty() ? "" : " (" + values + ")"));
  }
  return unmet;
}

}  // namespace ktrial::kernel
