#include "harness/cli/usage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "harness/cli/manual.h"
#include "harness/spec/parse.h"

namespace ktrial::cli {
namespace {

// The innermost command that the command line got to.
const CLI::App& innermost(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : innermost(*chosen.back());
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* command : app.get_subcommands({})) out.push_back(command->get_name());
  return out;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string near = spec::suggest(word, candidates);
  return near.empty() ? "" : "; did you mean " + near + "?";
}

}  // namespace

void refuse_empty_values(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0 || option->check_lname("append")) continue;
    option->check([](const std::string& value) {
      return value.empty() ? std::string("the value is empty; leave the option out for its default")
                           : std::string();
    });
  }
  for (CLI::App* command : app.get_subcommands({})) refuse_empty_values(*command);
}

Error usage_problem(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = innermost(app);
  const std::string path = path_of(command);
  const std::vector<std::string> rest = app.remaining(true), commands = commands_of(command);
  Error out{ErrorKind::usage, error.what(), fmt::format("see `{} --help`", path)};
  if (!rest.empty() && rest.front().starts_with('-')) {
    const std::string name = rest.front().substr(0, rest.front().find('='));
    out.message = fmt::format("`{}` has no option {}{}", path, spec::in_quotes(name),
                              did_you_mean(name, options_of(command)));
  } else if (!commands.empty()) {
    out.message = rest.empty()
                      ? fmt::format("`{}` needs a command", path)
                      : fmt::format("`{}` has no command {}{}", path, spec::in_quotes(rest.front()),
                                    did_you_mean(rest.front(), commands));
    out.hint = fmt::format("there are: {}", fmt::join(commands, ", "));
  } else if (!rest.empty()) {
    out.message =
        fmt::format("`{}` takes no further argument {}", path, spec::in_quotes(rest.front()));
  }
  return out;
}

}  // namespace ktrial::cli
