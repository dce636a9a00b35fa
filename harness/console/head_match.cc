#include "harness/console/rules.h"

namespace ktrial::console {
namespace {

// Fills \1..\9 and \F of a title from the captures of its head.
std::string fill(std::string_view title, const std::vector<std::string>& captures,
                 const std::string& function) {
  std::string out;
  for (std::size_t i = 0; i < title.size(); ++i) {
    if (title[i] != '\\' || i + 1 >= title.size()) {
      out.push_back(title[i]);
      continue;
    }
    const char which = title[++i];
    if (which == 'F') out += function;
    const auto index = static_cast<std::size_t>(which - '1');
    if (which >= '1' && which <= '9' && index < captures.size()) out += captures[index];
  }
  return out;
}

// Lines that hold a head's words without being one.
bool is_noise(std::string_view message) {
  for (std::string_view head : {"Command line:", "Kernel command line:", "Unknown kernel command",
                                "RCU CPU stall warnings timeout", "INFO: lockdep is turned off",
                                "INFO: NMI handler"})
    if (message.starts_with(head)) return true;
  return false;
}

}  // namespace

bool match_head(std::string_view message, HeadMatch& match) {
  if (is_noise(message)) return false;
  const auto first = message.find_first_not_of(' ');
  if (first == message.npos) return false;
  message.remove_prefix(first);
  for (const CompiledRule& compiled : rules()) {
    const RE2& regex = *compiled.regex;
    const int groups = regex.NumberOfCapturingGroups() + 1;
    std::vector<re2::StringPiece> found(static_cast<std::size_t>(groups));
    if (!regex.Match(message, 0, message.size(), RE2::ANCHOR_START, found.data(), groups)) continue;
    if (*compiled.rule->title == '\0') return false;  // a line that only looks like a head
    const auto& names = regex.CapturingGroupNames();
    std::vector<std::string> captures;
    std::string function;
    for (int i = 1; i < groups; ++i) {
      const std::string text(found[static_cast<std::size_t>(i)]);
      if (auto it = names.find(i); it != names.end() && it->second == "F")
        function = text;
      else
        captures.push_back(text);
    }
    match = {compiled.rule, fill(compiled.rule->title, captures, function), function};
    return true;
  }
  return false;
}

}  // namespace ktrial::console
