#include <cstdint>

#include "results/record.h"

namespace ktrial::results {
namespace {

constexpr std::size_t kMaxSignature = 96;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Words joined by '-'; numbers (decimal, or hex of 4 and more digits) become N.
std::string slug(std::string_view text, bool mask_numbers) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_alnum(text[i]) && text[i] != '_') {
      if (!out.empty() && out.back() != '-') out += '-';
      ++i;
      continue;
    }
    std::size_t end = i;
    bool hex = true, digits = true;
    while (end < text.size() && (is_alnum(text[end]) || text[end] == '_')) {
      hex = hex && is_hex(text[end]);
      digits = digits && is_digit(text[end]);
      ++end;
    }
    std::string_view word = text.substr(i, end - i);
    const bool number =
        digits || (word.starts_with("0x") && word.size() > 2) || (hex && word.size() >= 8);
    if (mask_numbers && number) {
      out += 'N';
    } else {
      out += word;
    }
    i = end;
  }
  while (out.ends_with('-')) out.pop_back();
  return out;
}

// The F of "... in F", "... at F": what follows the last such word.
std::string_view function_of(std::string_view title) {
  std::size_t best = std::string_view::npos;
  for (std::string_view word : {" in ", " at "}) {
    std::size_t at = title.rfind(word);
    if (at != std::string_view::npos && (best == std::string_view::npos || at + 4 > best))
      best = at + 4;
  }
  if (best == std::string_view::npos) return {};
  std::string_view rest = title.substr(best);
  if (rest.empty() || is_digit(rest.front())) return {};  // an address
  if (std::size_t space = rest.find(' '); space != std::string_view::npos) {
    // "F [module]" is one function; "F / G" (a data race) has two: use the title.
    if (!rest.substr(space + 1).starts_with('[')) return {};
    rest = rest.substr(0, space);
  }
  // "at mm/slub.c:123" names a place that moves from version to version.
  return rest.find('/') == std::string_view::npos || rest.find('+') < rest.find('/')
             ? rest
             : std::string_view{};
}

std::string shortened(std::string text) {
  if (text.size() <= kMaxSignature) return text;
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a, 64 bit
  for (unsigned char c : text) hash = (hash ^ c) * 1099511628211u;
  std::string digits(8, '0');
  for (char& d : digits) {
    d = "0123456789abcdef"[hash & 15];
    hash >>= 4;
  }
  return text.substr(0, kMaxSignature - 9) + "-" + digits;
}

// Which of a system call's functions a stack names depends on what was inlined, and on the
// machine: __x64_sys_mount, __se_sys_mount, __do_sys_mount, ksys_mount, sys_mount are one place.
std::string_view without_call_stub(std::string_view function) {
  for (const std::string_view stub :
       {"__do_compat_sys_", "__se_compat_sys_", "__x64_compat_sys_", "__ia32_compat_sys_",
        "__do_sys_", "__se_sys_", "__x64_sys_", "__ia32_sys_", "__arm64_sys_", "__riscv_sys_",
        "ksys_", "sys_"})
    if (function.starts_with(stub) && function.size() > stub.size())
      return function.substr(stub.size());
  return function;
}

}  // namespace

std::string strip_function(std::string_view function) {
  while (function.starts_with(' ')) function.remove_prefix(1);
  function = function.substr(0, function.find_first_of(" +["));
  // Suffixes of compilers: .isra.0 .constprop.0 .part.0 .cold .llvm.123 ...
  // A C function has no dot in its name, so the first one ends it; a leading
  // one belongs to the symbol.
  if (std::size_t dot = function.find('.', 1); dot != std::string_view::npos)
    function = function.substr(0, dot);
  if (function.ends_with("()")) function.remove_suffix(2);
  return std::string(without_call_stub(function));
}

std::string make_signature(std::string_view kind, std::string_view title,
                           std::string_view culprit) {
  std::string function = slug(strip_function(culprit), false);
  if (function.empty()) function = slug(strip_function(function_of(title)), false);
  if (function.empty()) function = slug(title, true);
  std::string prefix = slug(kind, false);
  if (prefix.empty()) return shortened(function);
  if (function.empty()) return shortened(prefix);
  return shortened(prefix + ":" + function);
}

}  // namespace ktrial::results
