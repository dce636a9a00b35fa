#include "harness/console/frames.h"

#include <re2/re2.h>

#include <cctype>
#include <cstring>

#include "harness/console/generic_functions.h"

namespace ktrial::console {
namespace {

bool name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$' ||
         c == '<' || c == '>' || c == ':';
}

// What may stand before a frame's function: addresses, brackets, "?", indentation.
bool is_frame_lead(std::string_view lead) {
  for (char c : lead)
    if (!std::isxdigit(static_cast<unsigned char>(c)) && !std::strchr(" []<>()?#:=x|", c))
      return false;
  return true;
}

// "func+0x12/0x34": where func begins and ends, from the first such spot.
bool find_symbol(std::string_view s, std::size_t& begin, std::size_t& end) {
  for (std::size_t plus = s.find("+0x"); plus != s.npos; plus = s.find("+0x", plus + 1)) {
    std::size_t i = plus + 3;
    while (i < s.size() && std::isxdigit(static_cast<unsigned char>(s[i]))) ++i;
    if (i == plus + 3 || s.substr(i, 3) != "/0x") continue;
    begin = plus;
    while (begin > 0 && name_char(s[begin - 1])) --begin;
    end = plus;
    if (begin < end && s[begin] == '<' && s.find('>', begin) > end) ++begin;
    if (begin < end) return true;
  }
  return false;
}

}  // namespace

std::string strip_suffix(std::string_view function) {
  for (std::string_view suffix : {".isra", ".constprop", ".part", ".cold", ".llvm", ".lto_priv"})
    function = function.substr(0, function.find(suffix));
  return std::string(function);
}

std::optional<Frame> parse_frame(std::string_view message) {
  // ARM: "[<80100a74>] (callee) from [<..>] (caller+0x1/0x2)": the caller's line.
  std::size_t begin = 0, end = 0;
  if (auto from = message.find(") from "); from != message.npos) {
    if (auto open = message.find('('); open < from)
      return Frame{strip_suffix(message.substr(open + 1, message.substr(open + 1).find_first_of("+)"))), true};
  }
  if (find_symbol(message, begin, end)) {
    const std::string_view lead = message.substr(0, begin);
    if (!is_frame_lead(lead)) return std::nullopt;
    return Frame{strip_suffix(message.substr(begin, end - begin)), lead.find('?') == lead.npos};
  }
  // Symbolised reports name inlined callers too.
  if (message.ends_with("[inline]")) {
    auto first = message.find_first_not_of(' ');
    auto stop = message.find(' ', first);
    if (first != message.npos && stop != message.npos)
      return Frame{strip_suffix(message.substr(first, stop - first)), true};
  }
  return std::nullopt;
}

std::optional<std::string> parse_ip(std::string_view message) {
  static const RE2 kIp(
      R"(^ *(?:RIP: (?:0010|e030):|RIP \[|EIP: ?(?:0060:)?|IP: \[?|IP is at|PC is at|pc ?: |pc : |NIP |epc ?: |PC: |Krnl PSW : \S+ \S+ \()(.*))");
  std::string rest;
  if (!RE2::PartialMatch(message, kIp, &rest)) return std::nullopt;
  std::size_t begin = 0, end = 0;
  if (!find_symbol(rest, begin, end)) return std::nullopt;
  return strip_suffix(std::string_view(rest).substr(begin, end - begin));
}

std::string syscall_of(std::string_view function) {
  for (std::string_view prefix : {"__x64_sys_", "__ia32_sys_", "__se_sys_", "__do_sys_",
                                  "__arm64_sys_", "__ia32_compat_sys_", "__x64_compat_sys_",
                                  "__riscv_sys_", "__s390x_sys_", "compat_SyS_", "SyS_", "SYSC_",
                                  "compat_sys_", "ksys_", "__sys_", "sys_"})
    if (function.starts_with(prefix))
      return "sys_" + std::string(function.substr(prefix.size()));
  return "";
}

bool is_generic(std::string_view function) {
  static const RE2 kGeneric(kGenericFunctions);
  return RE2::FullMatch(function, kGeneric);
}
bool is_waiter(std::string_view function) {
  static const RE2 kWaiter(kWaiterFunctions);
  return RE2::FullMatch(function, kWaiter);
}
bool is_plumbing(std::string_view function) {
  static const RE2 kPlumbing(kPlumbingFunctions);
  return RE2::FullMatch(function, kPlumbing) || is_generic(function);
}

}  // namespace ktrial::console
