#include "harness/cli/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "results/record.h"

namespace ktrial::cli {
namespace {

// Text that troff prints as it stands: in a line of its own no dot or quote begins it.
std::string literal(std::string_view text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else if (c == '`')
      out += "\\(ga";
    else if (c == '^')
      out += "\\(ha";
    else if (c == '~')
      out += "\\(ti";
    else
      out += c;
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + literal(text) + "\\fR"; }

// What begins a paragraph of a footer, and its section; a paragraph goes there from its first
// word on, or, where that is a heading of its own, from the next line on.
constexpr struct {
  std::string_view begin, section;
  bool is_heading;
} kSections[] = {{"Examples:\n", "EXAMPLES", true},
                 {"Example:\n", "EXAMPLES", true},
                 {"Environment:\n", "ENVIRONMENT", true},
                 {"Exit status", "EXIT STATUS", false},
                 {"", "NOTES", false}};

std::vector<std::string_view> paragraphs(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = text.find("\n\n");
    out.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  }
  return out;
}

// Lines with an indent stay lines; others are one flow of words.
std::string body(std::string_view paragraph) {
  std::string out;
  bool as_they_stand = false;
  while (auto line = take_line(paragraph)) {
    const bool indented = line->starts_with(' ');
    if (indented != as_they_stand) out += indented ? ".RS 2\n.nf\n" : ".fi\n.RE\n";
    as_they_stand = indented;
    out += literal(trimmed(*line)) + "\n";
  }
  return out + (as_they_stand ? ".fi\n.RE\n" : "");
}

class Troff : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    const std::string name = path_of(*app, "-");
    std::string upper = name;
    std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
    return fmt::format(".TH {} 1 \"\" \"ktrial {}\" \"ktrial manual\"\n.SH NAME\n{} \\- {}\n",
                       literal(upper), literal(results::ktrial_version()), literal(name),
                       literal(app->get_description())) +
           synopsis(*app) + commands(*app) + arguments(*app) + notes(*app) + see_also(*app);
  }

 private:
  std::string synopsis(const CLI::App& app) const {
    // "Usage: ktrial run [OPTIONS] [SPEC]": the same words as those of --help.
    const std::string usage = make_usage(&app, path_of(app));
    const std::string_view words = std::string_view(usage).substr(usage.find(": ") + 2);
    return ".SH SYNOPSIS\n" + literal(trimmed(words)) + "\n";
  }

  static std::string commands(const CLI::App& app) {
    std::string out;
    for (const CLI::App* command : app.get_subcommands({}))
      out += fmt::format(".TP\n{}\n{}\n", bold(command->get_name()),
                         literal(command->get_description()));
    return out.empty() ? "" : ".SH COMMANDS\n" + out;
  }

  // In the order of --help: positional ones first.
  std::string arguments(const CLI::App& app) const {
    std::string out;
    for (const bool positional : {true, false}) {
      std::string group;
      for (const CLI::Option* option : app.get_options())
        if (option->get_positional() == positional && !option->get_group().empty())
          group +=
              fmt::format(".TP\n{}{}\n{}\n", bold(names(*option, positional)),
                          literal(make_option_opts(option)), literal(make_option_desc(option)));
      if (!group.empty()) out += (positional ? ".SH ARGUMENTS\n" : ".SH OPTIONS\n") + group;
    }
    return out;
  }

  std::string names(const CLI::Option& option, bool positional) const {
    std::string out;
    const std::string all = make_option_name(&option, positional);
    for (const std::string_view name : split(all, ','))
      out += (out.empty() ? "" : ", ") + std::string(name);
    return out;
  }

  static std::string notes(const CLI::App& app) {
    const std::string footer = app.get_footer();
    std::string out, section;
    for (std::string_view paragraph : paragraphs(footer)) {
      const auto* found = std::ranges::find_if(
          kSections, [&](const auto& row) { return paragraph.starts_with(row.begin); });
      out += section != found->section ? fmt::format(".SH {}\n", found->section) : ".PP\n";
      section = found->section;
      out += body(paragraph.substr(found->is_heading ? found->begin.size() : 0));
    }
    return out;
  }

  static std::string see_also(const CLI::App& app) {
    std::string out;
    const auto add = [&](const CLI::App& other) {
      out +=
          (out.empty() ? "" : ",\n") + fmt::format("\\fB{}\\fR(1)", literal(path_of(other, "-")));
    };
    if (app.get_parent() != nullptr) add(*app.get_parent());
    for (const CLI::App* command : app.get_subcommands({})) add(*command);
    return out.empty() ? "" : ".SH SEE ALSO\n" + out + "\n";
  }
};

Status write_pages(const CLI::App& command, const std::filesystem::path& folder) {
  KTRIAL_TRY(write_file_atomically(folder / (path_of(command, "-") + ".1"), manual_page(command)));
  for (const CLI::App* below : command.get_subcommands({})) KTRIAL_TRY(write_pages(*below, folder));
  return {};
}

struct ManualFlags {
  std::vector<std::string> command;
  std::string folder;
};

Result<int> manual(const CLI::App& app, const ManualFlags& flags) {
  const CLI::App* command = &app;
  for (const std::string& word : flags.command) {
    const CLI::App* below = nullptr;
    for (const CLI::App* each : command->get_subcommands({}))
      if (each->get_name() == word) below = each;
    if (below == nullptr)
      return usage_error(fmt::format("`{}` has no command '{}'", path_of(*command), word),
                         fmt::format("see `{} --help`", path_of(*command)));
    command = below;
  }
  if (flags.folder.empty()) {
    to_stdout("{}", manual_page(*command));
    return 0;
  }
  std::error_code error;
  std::filesystem::create_directories(flags.folder, error);
  KTRIAL_TRY(write_pages(*command, flags.folder));
  return 0;
}

}  // namespace

std::string path_of(const CLI::App& command, const std::string& separator) {
  const CLI::App* parent = command.get_parent();
  return (parent != nullptr ? path_of(*parent, separator) + separator : "") + command.get_name();
}

std::string manual_page(const CLI::App& command) {
  return Troff().make_help(&command, command.get_name(), CLI::AppFormatMode::Normal);
}

void add_manual(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("manual", "Prints a manual page, for `man -l -`");
  auto flags = std::make_shared<ManualFlags>();
  command->add_option("COMMAND", flags->command, "Whose page, e.g. campaign run [ktrial itself]");
  command->add_option("--output", flags->folder,
                      "A folder that the page is written to, and those of the commands below it");
  command->footer(R"(Examples:
  ktrial manual run | man -l -
  ktrial manual --output share/man/man1)");
  command->callback(
      [&app, &action, flags] { action = [&app, flags] { return manual(app, *flags); }; });
}

}  // namespace ktrial::cli
