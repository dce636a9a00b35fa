#include "harness/cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <memory>
#include <vector>

#include "harness/base/text.h"
#include "harness/cli/commands.h"
#include "harness/cli/manual.h"
#include "harness/cli/output.h"

namespace ktrial::cli {
namespace {

struct Word {
  std::string text, description;
};

std::vector<Word> words_of(const CLI::App& app) {
  std::vector<Word> out;
  for (const auto* command : app.get_subcommands({}))
    out.push_back({command->get_name(), command->get_description()});
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames())
      out.push_back({"--" + name, option->get_description()});
  return out;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// The values of an option that has a fixed few: CLI11 names its type "TEXT:{a,b}".
std::vector<Word> values_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t from = type.find('{'), to = type.find('}');
  std::vector<Word> out;
  if (from == std::string::npos || to == std::string::npos) return out;
  for (const std::string_view value :
       split(std::string_view(type).substr(from + 1, to - from - 1), ','))
    out.push_back({std::string(value), ""});
  return out;
}

// Calls `each` with what was typed and what may follow: "ktrial run", and with an option that
// takes a value, "ktrial run --format" (nothing there is known of a file's name).
void for_each_place(const CLI::App& app,
                    const std::function<void(const std::string&, const std::vector<Word>&)>& each) {
  each(path_of(app), words_of(app));
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames())
      if (takes_value(*option)) each(path_of(app) + " --" + name, values_of(*option));
  for (const auto* command : app.get_subcommands({})) for_each_place(*command, each);
}

std::string in_single_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// `case` branches that set an array to the words of each place.
std::string cases(const CLI::App& root, const std::string& array,
                  const std::function<std::string(const Word&)>& written) {
  std::string out;
  for_each_place(root, [&](const std::string& place, const std::vector<Word>& words) {
    std::vector<std::string> parts;
    for (const Word& word : words) parts.push_back(in_single_quotes(written(word)));
    out +=
        fmt::format("    {}) {}=({}) ;;\n", in_single_quotes(place), array, fmt::join(parts, " "));
  });
  return out;
}

}  // namespace

std::string bash_completion(const CLI::App& root) {
  return R"sh(# bash completion for ktrial; load with: source <(ktrial completion bash)
_ktrial() {
  local place='ktrial' word found=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [ "$word" != -- ] || { compopt -o default; COMPREPLY=(); return; }
    _ktrial_words "$place"
    case " ${found[*]} " in *" $word "*) case "$word" in -*) ;; *) place="$place $word" ;; esac ;; esac
  done
  word="${COMP_WORDS[COMP_CWORD-1]}"
  if ! _ktrial_words "$place $word"; then _ktrial_words "$place"; fi
  COMPREPLY=($(compgen -W "${found[*]}" -- "${COMP_WORDS[COMP_CWORD]}"))
  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
_ktrial_words() {
  case "$1" in
)sh" + cases(root, "found", [](const Word& word) { return word.text; }) +
         R"sh(    *) return 1 ;;
  esac
}
complete -o filenames -F _ktrial ktrial
)sh";
}

std::string zsh_completion(const CLI::App& root) {
  // _describe wants "word:description".
  const auto described = [](const Word& word) {
    return word.text + (word.description.empty() ? "" : ":" + word.description);
  };
  return R"sh(#compdef ktrial
# zsh completion for ktrial; load with: source <(ktrial completion zsh)
_ktrial() {
  local place='ktrial' word
  local -a found
  for word in "${(@)words[2,CURRENT-1]}"; do
    [[ "$word" != -- ]] || { _files; return }
    _ktrial_words "$place"
    [[ "$word" == -* || -z "${found[(r)$word(|:*)]}" ]] || place="$place $word"
  done
  _ktrial_words "$place ${words[CURRENT-1]}" || _ktrial_words "$place"
  _describe ktrial found || _files
}
_ktrial_words() {
  case "$1" in
)sh" + cases(root, "found", described) +
         R"sh(    *) return 1 ;;
  esac
}
if [[ "${funcstack[1]}" == _ktrial ]]; then _ktrial "$@"; else compdef _ktrial ktrial; fi
)sh";
}

std::string fish_completion(const CLI::App& root) {
  std::string places, lines;
  const std::function<void(const CLI::App&)> add = [&](const CLI::App& app) {
    const std::string here =
        fmt::format("complete -c ktrial -n 'test (__ktrial_place) = \"{}\"'", path_of(app));
    for (const auto* command : app.get_subcommands({})) {
      places += " " + in_single_quotes(path_of(*command));
      lines += fmt::format("{} -f -a {} -d {}\n", here, command->get_name(),
                           in_single_quotes(command->get_description()));
    }
    for (const auto* option : app.get_options()) {
      std::vector<std::string> values;
      for (const Word& value : values_of(*option)) values.push_back(value.text);
      for (const auto& name : option->get_lnames())
        lines += fmt::format("{} -l {}{} -d {}\n", here, name,
                             !values.empty() ? fmt::format(" -x -a '{}'", fmt::join(values, " "))
                             : takes_value(*option) ? " -r"
                                                    : "",
                             in_single_quotes(option->get_description()));
    }
    for (const auto* command : app.get_subcommands({})) add(*command);
  };
  add(root);
  return "# fish completion for ktrial; load with: ktrial completion fish | source\n"
         "set -g __ktrial_places" +
         places + R"sh(
function __ktrial_place
  set -l place ktrial
  for word in (commandline -opc)[2..]
    contains -- "$place $word" $__ktrial_places; and set place "$place $word"
  end
  echo $place
end
)sh" + lines;
}

void add_completion(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("completion", "Prints a completion script for a shell");
  auto shell = std::make_shared<std::string>("bash");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->capture_default_str();
  command->footer(R"(Examples:
  source <(ktrial completion bash)
  ktrial completion fish | source

An installed ktrial has them in the folders where these shells look for them.)");
  command->callback([&app, &action, shell] {
    action = [&app, shell]() -> Result<int> {
      write_stdout(*shell == "bash"  ? bash_completion(app)
                   : *shell == "zsh" ? zsh_completion(app)
                                     : fish_completion(app));
      return 0;
    };
  });
}

}  // namespace ktrial::cli
