#include "harness/console/demangle.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

namespace ktrial::console {
namespace {

// Rust's v0 scheme: https://doc.rust-lang.org/rustc/symbol-mangling/v0.html. No library of Debian
// with an interface to rely on reads it.
class RustV0 {
 public:
  explicit RustV0(std::string_view text) : text_(text) {}

  std::optional<std::string> read() {
    path(false);
    if (failed_ || out_.empty()) return std::nullopt;
    return out_;
  }

 private:
  static constexpr int kMaxDepth = 32;
  static constexpr std::size_t kMaxSize = 512;
  static constexpr int kMaxSteps = 2000;  // back references could repeat for ever

  // Counts itself in on the way down.
  struct Deeper {
    explicit Deeper(RustV0& of) : of_(of) {
      if (++of_.depth_ > kMaxDepth || ++of_.steps_ > kMaxSteps || of_.out_.size() > kMaxSize)
        of_.failed_ = true;
    }
    ~Deeper() { --of_.depth_; }
    RustV0& of_;
  };

  char next() {
    if (at_ < text_.size()) return text_[at_++];
    failed_ = true;
    return 0;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void say(std::string_view words) {
    if (!silent_) out_ += words;
  }

  std::size_t base62() {
    if (take('_')) return 0;
    std::size_t value = 0;
    for (char c = next(); c != '_' && !failed_; c = next()) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'z' ? c - 'a' + 10
                        : c >= 'A' && c <= 'Z' ? c - 'A' + 36
                                               : -1;
      failed_ = failed_ || digit < 0;  // hashes of crates are wider than a word: only told apart
      value = value * 62 + static_cast<std::size_t>(digit);
    }
    return value + 1;
  }
  std::size_t disambiguator() { return take('s') ? base62() + 1 : 0; }

  std::string_view identifier() {
    take('u');  // punycode; shown as it is
    std::size_t size = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && size < kMaxSize)
      size = size * 10 + static_cast<std::size_t>(text_[at_++] - '0');
    take('_');
    if (size > text_.size() - at_) {
      failed_ = true;
      return {};
    }
    at_ += size;
    return text_.substr(at_ - size, size);
  }

  template <class Read>
  void back_reference(Read read) {
    const std::size_t target = base62();
    if (failed_ || target >= at_) {
      failed_ = true;
      return;
    }
    const std::size_t here = std::exchange(at_, target);
    read();
    at_ = here;
  }

  void impl_path() {
    const bool silent = std::exchange(silent_, true);
    disambiguator();
    path(false);
    silent_ = silent;
  }

  void path(bool in_type) {
    const Deeper deeper(*this);
    if (failed_) return;
    switch (next()) {
      case 'C':
        disambiguator();
        say(identifier());
        return;
      case 'M':
        impl_path();
        say("<");
        type();
        say(">");
        return;
      case 'X':
        impl_path();
        [[fallthrough]];
      case 'Y':
        say("<");
        type();
        say(" as ");
        path(true);
        say(">");
        return;
      case 'N':
        nested(in_type);
        return;
      case 'I':
        path(in_type);
        say(in_type ? "<" : "::<");
        list([this] { argument(); });
        say(">");
        return;
      case 'B':
        back_reference([this, in_type] { path(in_type); });
        return;
      default:
        failed_ = true;
    }
  }

  void nested(bool in_type) {
    const char space = next();
    path(in_type);
    const std::size_t which = disambiguator();
    const std::string_view name = identifier();
    if (space >= 'a') {
      say("::");
      say(name);
      return;
    }
    say(space == 'C' ? "::{closure" : "::{shim");
    if (!name.empty()) say(":");
    say(name);
    say("#" + std::to_string(which) + "}");
  }

  template <class Read>
  void list(Read read) {
    for (bool first = true; !failed_ && !take('E'); first = false) {
      if (!first) say(", ");
      read();
    }
  }
  void argument() {
    if (take('L')) {
      base62();
      say("'_");
    } else if (take('K')) {
      constant();
    } else {
      type();
    }
  }

  void constant() {
    const Deeper deeper(*this);
    if (failed_) return;
    if (take('B')) {
      back_reference([this] { constant(); });
      return;
    }
    if (take('p')) {
      say("_");
      return;
    }
    next();  // its type
    std::size_t start = at_;
    while (!failed_ && next() != '_') {
    }
    if (!failed_) say("0x" + std::string(text_.substr(start, at_ - 1 - start)));
  }

  void type() {
    static constexpr std::string_view kBasic[26] = {
        "i8",    "bool", "char", "f64", "str",  "f32",  "",    "u8", "isize",
        "usize", "",     "i32",  "u32", "i128", "u128", "_",   "",   "",
        "i16",   "u16",  "()",   "...", "",     "i64",  "u64", "!"};
    const Deeper deeper(*this);
    if (failed_) return;
    const char c = next();
    if (c >= 'a' && c <= 'z') {
      say(kBasic[c - 'a']);
      return;
    }
    switch (c) {
      case 'A':
      case 'S':
        say("[");
        type();
        if (c == 'A') {
          say("; ");
          constant();
        }
        say("]");
        return;
      case 'T':
        say("(");
        list([this] { type(); });
        say(")");
        return;
      case 'R':
      case 'Q':
        if (take('L')) base62();
        say(c == 'R' ? "&" : "&mut ");
        type();
        return;
      case 'P':
      case 'O':
        say(c == 'P' ? "*const " : "*mut ");
        type();
        return;
      case 'B':
        back_reference([this] { type(); });
        return;
      case 'F':
      case 'D':
        failed_ = true;
        return;  // fn(..), dyn ..: too long for a title anyway
      default:
        --at_;
        path(true);
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
  int depth_ = 0, steps_ = 0;
  bool failed_ = false, silent_ = false;
};

// C++, and Rust's old scheme: the same, with a hash at the end.
std::string itanium(std::string_view symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(std::string(symbol).c_str(), nullptr, nullptr, &status), std::free);
  if (status != 0 || !name) return std::string(symbol);
  std::string out(name.get());
  if (const auto hash = out.rfind("::h"); hash != out.npos && out.size() - hash == 19)
    return out.substr(0, hash);
  if (const auto parameters = out.find('('); parameters != out.npos && parameters > 0)
    out.resize(parameters);
  return out;
}

}  // namespace

std::string demangle(std::string_view symbol) {
  constexpr std::size_t kMaxSymbol = 512;
  if (symbol.size() > kMaxSymbol) return std::string(symbol);
  if (symbol.starts_with("_R"))
    return RustV0(symbol.substr(2)).read().value_or(std::string(symbol));
  return symbol.starts_with("_Z") ? itanium(symbol) : std::string(symbol);
}

}  // namespace ktrial::console
