#include "harness/reproduce/config.h"

#include <fmt/format.h>

#include <map>

#include "harness/base/text.h"

namespace ktrial::reproduce {

std::vector<std::string> config_differences(std::string_view config,
                                            const std::vector<std::string>& wanted) {
  std::map<std::string_view, std::string_view> had;
  while (const auto line = take_line(config)) {
    const std::size_t equals = line->find('=');
    if (line->starts_with("CONFIG_") && equals != line->npos)
      had[line->substr(0, equals)] = trimmed(line->substr(equals + 1));
  }
  const auto on = [](std::string_view value) { return value == "y" || value == "m"; };
  std::vector<std::string> out;
  for (const std::string_view option : wanted) {
    const std::size_t equals = option.find('=');
    if (!option.starts_with("CONFIG_") || equals == option.npos) continue;
    const std::string_view name = option.substr(0, equals), value = option.substr(equals + 1);
    const auto found = had.find(name);
    const std::string_view has = found == had.end() ? "n" : found->second;
    if (has == value || (on(has) && on(value))) continue;
    if (has == "n")
      out.push_back(fmt::format("it has no {}", option));
    else
      out.push_back(fmt::format("it has {}={}, not {}", name, has, value));
  }
  return out;
}

}  // namespace ktrial::reproduce
