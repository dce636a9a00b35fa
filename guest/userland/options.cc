#include "guest/userland/options.h"

namespace ktrial::userland {

Options parse(const std::vector<std::string>& arguments, std::string& problem) {
  Options out;
  const struct {
    std::string_view name;
    std::string& value;
  } texts[] = {{"--virtiofs=", out.tag}, {"--block=", out.device},      {"--type=", out.type},
               {"--cwd=", out.cwd},      {"--try-cwd=", out.try_cwd},   {"--input=", out.input},
               {"--tree=", out.tree},    {"--terminal=", out.terminal}, {"--control=", out.control},
               {"--output=", out.output}};
  std::size_t at = 0;
  for (; at < arguments.size() && arguments[at] != "--"; ++at) {
    const std::string_view argument = arguments[at];
    bool known = argument == "--writable" || argument == "--host";
    if (argument == "--writable") out.writable = true;
    if (argument == "--host") out.host = true;
    for (const auto& [name, value] : texts)
      if (argument.starts_with(name)) {
        value = argument.substr(name.size());
        known = true;
      }
    if (!known) problem = "unknown argument " + std::string(argument);
  }
  if (at < arguments.size()) out.command.assign(arguments.begin() + at + 1, arguments.end());
  if (problem.empty() && out.command.empty()) problem = "no command after --";
  if (problem.empty() && !out.device.empty() && out.type.empty()) problem = "--block needs --type";
  return out;
}

}  // namespace ktrial::userland
