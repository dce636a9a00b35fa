// Shell completion, made from the parser itself, so that it can't lag behind.

#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/output.h"

namespace ktrial::cli {
namespace {

std::string words(const CLI::App& app) {
  std::string out;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) out += "--" + name + " ";
  }
  for (const auto* command : app.get_subcommands({})) out += command->get_name() + " ";
  return out;
}

void add_cases(const CLI::App& app, const std::string& path, std::string& out) {
  out += fmt::format("    '{}') words='{}' ;;\n", path, words(app));
  for (const auto* command : app.get_subcommands({}))
    add_cases(*command, path + " " + command->get_name(), out);
}

std::string bash_script(const CLI::App& root) {
  std::string cases;
  add_cases(root, "ktrial", cases);
  return R"sh(# bash completion for ktrial; load with: source <(ktrial completion bash)
_ktrial() {
  local current="${COMP_WORDS[COMP_CWORD]}" path='ktrial' words='' word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) case " $(_ktrial_words "$path") " in *" $word "*) path="$path $word" ;; esac ;; esac
  done
  COMPREPLY=($(compgen -W "$(_ktrial_words "$path")" -- "$current"))
  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
_ktrial_words() {
  local words=''
  case "$1" in
)sh" + cases +
         R"sh(  esac
  echo "$words"
}
complete -F _ktrial ktrial
)sh";
}

}  // namespace

void add_completion(CLI::App& app, Action& action) {
  auto* completion = app.add_subcommand("completion", "Prints a completion script for a shell");
  auto shell = std::make_shared<std::string>("bash");
  completion->add_option("SHELL", *shell, "bash, or zsh (through bashcompinit)")
      ->check(CLI::IsMember({"bash", "zsh"}))
      ->capture_default_str();
  completion->footer("Example:\n  source <(ktrial completion bash)");
  completion->callback([&app, &action, shell] {
    action = [&app, shell]() -> Result<int> {
      if (*shell == "zsh") to_stdout("autoload -U +X bashcompinit && bashcompinit\n");
      to_stdout("{}", bash_script(app));
      return 0;
    };
  });
}

}  // namespace ktrial::cli
