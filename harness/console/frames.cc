#include "harness/console/frames.h"

#include <array>
#include <cctype>

#include "harness/base/text.h"
#include "harness/console/demangle.h"

namespace ktrial::console {
namespace {

bool symbol_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$';
}

// The symbol that ends right before `plus`. Rust's names hold "::" and "<...>".
std::string_view symbol_before(std::string_view s, std::size_t plus) {
  std::size_t start = plus;
  int depth = 0;
  while (start > 0) {
    const char c = s[start - 1];
    if (c == '>') ++depth;
    if (c == '<') {
      if (depth == 0) break;
      --depth;
      --start;
      continue;
    }
    if (depth > 0 || symbol_char(c) || c == ':' || c == '>')
      --start;
    else
      break;
  }
  while (start < plus && s[start] == ':') ++start;  // "RIP: 0010:symbol"
  std::string_view symbol = s.substr(start, plus - start);
  if (const auto colon = symbol.find(':'); colon != symbol.npos && colon <= 4 &&
                                           symbol.substr(0, colon + 2).find("::") == symbol.npos &&
                                           symbol.find_first_not_of("0123456789abcdef") == colon)
    symbol.remove_prefix(colon + 1);
  if (symbol.empty() || std::isdigit(static_cast<unsigned char>(symbol.front()))) return {};
  return symbol;
}

// "sym+0x12/0x34": position of '+', or npos.
std::size_t offset_at(std::string_view s, std::size_t from = 0) {
  for (std::size_t at = s.find("+0x", from); at != s.npos; at = s.find("+0x", at + 1))
    if (!symbol_before(s, at).empty()) return at;
  return s.npos;
}

// Removes "[<ffff...>] " and "[c000...] " groups and the marks of stack switches.
std::string_view skip_addresses(std::string_view s) {
  for (;;) {
    s = trimmed(s);
    if (s.empty()) return s;
    if (s.front() == '[' || s.front() == '<') {
      const char close = s.front() == '[' ? ']' : '>';
      const std::size_t end = s.find(close);
      if (end == s.npos || end > 40) return s;
      const std::string_view inside = s.substr(1, end - 1);
      if (s.front() == '<' && inside != "IRQ" && inside != "/IRQ" && inside != "EOI" &&
          inside != "TASK" && inside != "/TASK" && inside != "NMI" && inside != "/NMI" &&
          inside != "SOFTIRQ" && inside != "/SOFTIRQ" && inside != "EOE" && inside != "<EOE" &&
          inside.find('#') == inside.npos)
        return s;
      s.remove_prefix(end + 1);
      if (inside.starts_with('<') && s.starts_with('>')) s.remove_prefix(1);  // <<EOE>>
      continue;
    }
    // An address without brackets.
    std::size_t hex = 0;
    while (hex < s.size() && std::isxdigit(static_cast<unsigned char>(s[hex]))) ++hex;
    if ((hex == 8 || hex == 16) && hex < s.size() && s[hex] == ' ') {
      s.remove_prefix(hex);
      continue;
    }
    return s;
  }
}

bool is_symbolised_path(std::string_view rest) {
  rest = trimmed(rest);
  if (rest.starts_with('(')) rest.remove_prefix(1);
  const std::size_t colon = rest.find(':');
  if (colon == rest.npos || colon < 3 || colon + 1 >= rest.size()) return false;
  const std::string_view path = rest.substr(0, colon);
  if (path.find(' ') != path.npos) return false;
  return (path.ends_with(".c") || path.ends_with(".h") || path.ends_with(".S") ||
          path.ends_with(".rs")) &&
         std::isdigit(static_cast<unsigned char>(rest[colon + 1]));
}

// The symbol at the front of "symbol path.c:12 [inline]" and "symbol (path.c:12) module": already
// symbolised by a tool. Empty if it is not.
std::string_view decoded_symbol(std::string_view s) {
  const std::size_t space = s.find(' ');
  if (space == s.npos || space == 0 || !is_symbolised_path(s.substr(space))) return {};
  for (char c : s.substr(0, space))
    if (!symbol_char(c)) return {};
  return s.substr(0, space);
}

}  // namespace

std::string source_name(std::string_view symbol) {
  static constexpr std::array<std::string_view, 9> kSuffixes = {
      ".isra", ".constprop", ".part", ".cold", ".llvm", ".cfi_jt", ".cfi", ".lto_priv", ".clone"};
  std::size_t cut = symbol.size();
  for (std::string_view suffix : kSuffixes)
    if (const auto at = symbol.find(suffix); at != symbol.npos && at > 0) cut = std::min(cut, at);
  symbol = symbol.substr(0, cut);
  if (symbol.starts_with('.')) symbol.remove_prefix(1);  // the code behind a descriptor of ppc64
  if (symbol.starts_with("_R") || symbol.starts_with("_Z")) return demangle(symbol);
  static constexpr std::array<std::string_view, 12> kSyscalls = {
      "__x64_sys_",     "__ia32_sys_", "__arm64_sys_",     "__riscv_sys_",
      "__s390x_sys_",   "__s390_sys_", "__loongarch_sys_", "SyS_",
      "__powerpc_sys_", "__mips_sys_", "__x32_sys_",       "__arm_sys_"};
  static constexpr std::array<std::string_view, 10> kBodies = {
      "__do_sys_",          "ksys_",
      "__se_sys_",          "SYSC_",
      "compat_SyS_",        "C_SYSC_",
      "__do_compat_sys_",   "__se_compat_sys_",
      "__ia32_compat_sys_", "__x64_compat_sys_"};
  for (std::string_view prefix : kBodies)
    if (symbol.starts_with(prefix)) return std::string(symbol.substr(prefix.size()));
  for (std::string_view prefix : kSyscalls)
    if (symbol.starts_with(prefix)) return "sys_" + std::string(symbol.substr(prefix.size()));
  return std::string(symbol);
}

bool is_syscall(std::string_view symbol) {
  if (symbol.starts_with("_R") || symbol.starts_with("_Z")) return false;
  if (symbol.starts_with("ksys_")) return true;
  const std::string name = source_name(symbol);
  return name.starts_with("sys_") || name.starts_with("compat_sys_") ||
         (name.size() < symbol.size() && symbol.find(name) > 5 && symbol.find(name) != symbol.npos);
}

std::string first_symbol(std::string_view text) {
  const std::size_t plus = offset_at(text);
  return plus == text.npos ? std::string() : source_name(symbol_before(text, plus));
}

std::optional<Frame> parse_frame(std::string_view body) {
  std::string_view s = skip_addresses(body);
  if (s.empty()) return std::nullopt;
  Frame frame;
  if (s.starts_with("? ")) {
    frame.uncertain = true;
    s = skip_addresses(s.substr(2));
  }
  if (s.starts_with('(')) s.remove_prefix(1);
  // arm: "callee from caller": each line's first is one frame of the trace
  if (const auto from = s.find(" from "); from != s.npos) {
    std::string_view callee = s.substr(0, from);
    if (callee.ends_with(')')) callee.remove_suffix(1);
    if (const auto plus = callee.find("+0x"); plus != callee.npos) callee = callee.substr(0, plus);
    if (callee.empty() || offset_at(s, from) == s.npos) return std::nullopt;
    for (char c : callee)
      if (!symbol_char(c)) return std::nullopt;
    frame.symbol = source_name(callee);
    frame.syscall = is_syscall(callee);
    frame.caller = first_symbol(s.substr(from));
    return frame;
  }
  const std::size_t plus = offset_at(s);
  if (plus != s.npos) {
    const std::string_view symbol = symbol_before(s, plus);
    if (symbol.data() != s.data()) return std::nullopt;  // text, not a frame
    frame.symbol = source_name(symbol);
    frame.syscall = is_syscall(symbol);
    frame.uncertain = frame.uncertain || s.ends_with("(unreliable)");
    return frame;
  }
  const std::string_view symbol = decoded_symbol(s);
  if (symbol.empty()) return std::nullopt;
  frame.symbol = source_name(symbol);
  frame.syscall = is_syscall(symbol);
  return frame;
}

std::optional<Frame> parse_pointer(std::string_view body) {
  static constexpr std::array<std::string_view, 21> kHeads = {
      "RIP: ",       "RIP  ", "IP: ",  "EIP: ",   "EIP is at ", "PC is at ", "pc : ",
      "pc: ",        "NIP [", "NIP: ", "epc : ",  "epc: ",      "epc   : ",  "era : ",
      "Krnl PSW : ", "TPC: ", "PC: ",  "IAOQ[0]", "rip: ",      "pc  : ",    "  pc: "};
  bool head = false;
  for (std::string_view prefix : kHeads)
    if (body.starts_with(prefix)) head = true;
  if (!head) {
    // s390 puts the symbol on the same line, mips pads; a thread's own banner may come first
    const auto rip = body.find("RIP: 0010:");
    if (rip == body.npos || rip > 4) return std::nullopt;
    body.remove_prefix(rip);
  }
  Frame frame;
  frame.pointer = true;
  const std::size_t plus = offset_at(body);
  if (plus != body.npos) {
    frame.symbol = source_name(symbol_before(body, plus));
    return frame;
  }
  // "RIP: 0010:symbol (path.c:12)"
  const auto start = body.find_last_of(":", body.find(" (")) + 1;
  if (const auto symbol = decoded_symbol(trimmed(body.substr(start))); !symbol.empty()) {
    frame.symbol = source_name(symbol);
    return frame;
  }
  frame.user = body.starts_with("RIP: 0033:") || body.starts_with("RIP: 0023:") ||
               body.starts_with("EIP: 0x");
  return frame;
}

}  // namespace ktrial::console
