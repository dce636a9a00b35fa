#include "harness/cli/manual.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/cli/commands.h"
#include "harness/cli/completion.h"

namespace ktrial::cli {
namespace {

// The program's own commands.
class ManualTest : public testing::Test {
 protected:
  ManualTest() {
    app_.name("ktrial");
    app_.set_version_flag("--version", "1");
    add_commands(app_, action_, invocation_);
    app_.footer("Examples:\n  ktrial run");
  }

  void each(const std::function<void(const CLI::App&)>& visit, const CLI::App* from = nullptr) {
    visit(from == nullptr ? app_ : *from);
    for (const auto* command : (from == nullptr ? app_ : *from).get_subcommands({}))
      each(visit, command);
  }

  // What a command line says with the script in `file`, one candidate a line.
  static std::string said(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string out;
    for (int c; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
    EXPECT_EQ(::pclose(pipe), 0) << command;
    return out;
  }
  static bool there_is(const std::string& program) {
    return std::system(("command -v " + program + " >/dev/null").c_str()) == 0;
  }
  std::string script(const std::string& text) {
    const auto file = dir_->path() / "script";
    EXPECT_TRUE(write_file_atomically(file, text));
    return file.string();
  }

  CLI::App app_;
  Action action_;
  Invocation invocation_;
  std::optional<TempDir> dir_ = *TempDir::create();
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::string words(const std::string& text) {
  std::istringstream in(text);
  std::string out, word;
  while (in >> word) out += word + " ";
  return out;
}

// What a reader of the page sees, as words with one blank between them.
std::string seen(std::string page) {
  std::string out;
  std::string_view rest = page;
  while (auto line = take_line(rest))
    if (!line->starts_with('.') || line->starts_with(".SH"))
      out += std::string(line->starts_with('.') ? line->substr(3) : *line) + "\n";
  for (const auto& [from, to] : {std::pair{"\\-", "-"},
                                 {"\\fB", ""},
                                 {"\\fR", ""},
                                 {"\\(aq", "'"},
                                 {"\\(ga", "`"},
                                 {"\\(ha", "^"},
                                 {"\\(ti", "~"},
                                 {"\\&", ""},
                                 {"\\e", "\\"}})
    replace_all(out, from, to);
  return words(out);
}

// --help of each command, entry by entry, is in its page, and as many entries as it has.
TEST_F(ManualTest, SaysWhatHelpSays) {
  std::size_t entries = 0;
  each([&](const CLI::App& command) {
    const std::string page = seen(manual_page(command));
    const auto has = [&](const std::string& text) {
      EXPECT_NE(page.find(words(text)), std::string::npos)
          << path_of(command) << ": " << words(text) << "\nis not in\n"
          << page;
    };
    CLI::Formatter formatter;
    std::string help = formatter.make_help(&command, path_of(command), CLI::AppFormatMode::Normal);
    replace_all(help, "-h,--help", "-h, --help");
    replace_all(help, "-o,--output", "-o, --output");
    for (const char* heading : {"Usage:", "Positionals:", "Options:", "Subcommands:", "Examples:",
                                "Example:", "Environment:"})
      replace_all(help, std::string(heading), "\n\n");
    // An entry's description may stand in lines below it, deeper in.
    std::string entry;
    std::string_view rest = help;
    while (auto line = take_line(rest)) {
      if (!line->starts_with("   ")) {
        if (!trimmed(entry).empty()) has(entry), ++entries;
        entry.clear();
      }
      entry += std::string(*line) + "\n";
    }
    if (!trimmed(entry).empty()) has(entry), ++entries;
  });
  EXPECT_GT(entries, 200u);
}

TEST_F(ManualTest, EachCommandNamesThoseAroundIt) {
  const std::string page = seen(manual_page(*app_.get_subcommand("campaign")));
  EXPECT_TRUE(page.starts_with("KTRIAL-CAMPAIGN 1 ") || page.starts_with("NAME ")) << page;
  EXPECT_NE(page.find("SEE ALSO ktrial(1), ktrial-campaign-run(1), "), std::string::npos) << page;
}

TEST_F(ManualTest, ALineIsNeverARequestOfTroff) {
  CLI::App app("A 'quoted' \\ word");
  app.name("prog");
  app.footer("Examples:\n  .SH not a section\n  'it is\n\n.PP neither");
  const std::string page = manual_page(app);
  EXPECT_NE(page.find("\n\\&.SH not"), std::string::npos) << page;
  EXPECT_NE(page.find("\n\\&\\(aqit is"), std::string::npos) << page;
  EXPECT_NE(page.find("\n\\&.PP neither"), std::string::npos) << page;
  EXPECT_NE(page.find("prog \\- A \\(aqquoted\\(aq \\e word\n"), std::string::npos) << page;
}

TEST_F(ManualTest, MandocHasNoComplaint) {
  if (!there_is("mandoc")) GTEST_SKIP() << "no mandoc here";
  each([&](const CLI::App& command) {
    // A page without a date: a build that is repeated is the same. Not by its name: what follows a
    // dot there is a section to mandoc, of the folder's name too.
    const std::string said_ = said("mandoc -T lint -W warning < " + script(manual_page(command)) +
                                   " | grep -v 'missing date' || true");
    EXPECT_EQ(said_, "") << path_of(command);
  });
}

TEST_F(ManualTest, CompletionsKnowEveryOption) {
  const std::string bash = bash_completion(app_), zsh = zsh_completion(app_),
                    fish = fish_completion(app_);
  each([&](const CLI::App& command) {
    for (const auto* option : command.get_options())
      for (const auto& name : option->get_lnames()) {
        EXPECT_NE(bash.find("'--" + name + "'"), std::string::npos) << name;
        EXPECT_NE(zsh.find("'--" + name + ":"), std::string::npos) << name;
        EXPECT_NE(fish.find("\"" + path_of(command) + "\"' -l " + name + " "), std::string::npos)
            << name;
      }
  });
}

// A shell, with which of its words a completion is begun, and how its candidates are printed.
std::string in_bash(const std::string& file, const std::string& words) {
  return "bash --norc -c '. " + file + "; COMP_WORDS=(" + words +
         "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _ktrial; printf \"%s\\n\" \"${COMPREPLY[@]}\"'";
}
std::string in_fish(const std::string& file, const std::string& words) {
  return "fish --no-config -c 'source " + file + "; complete -C \"" + words + "\"'";
}
std::string in_zsh(const std::string& file, const std::string& words) {
  return "zsh -f -c 'compdef() { :; }; _files() { echo files; }; _describe() { print -l -- "
         "${(@P)2}; }; . " +
         file + "; words=(" + words + "); CURRENT=$#words; _ktrial'";
}

TEST_F(ManualTest, BashCompletesCommandsOptionsAndValues) {
  const std::string file = script(bash_completion(app_));
  EXPECT_EQ(said(in_bash(file, "ktrial camp")), "campaign\n");
  EXPECT_EQ(said(in_bash(file, "ktrial campaign run --budg")), "--budget\n");
  EXPECT_EQ(said(in_bash(file, "ktrial run --format js")), "json\n");
  EXPECT_EQ(said(in_bash(file, "ktrial run --kernel /etc/hostnam")), "/etc/hostname\n");
}

TEST_F(ManualTest, FishCompletesCommandsOptionsAndValues) {
  if (!there_is("fish")) GTEST_SKIP() << "no fish here";
  const std::string file = script(fish_completion(app_));
  EXPECT_TRUE(said(in_fish(file, "ktrial camp")).starts_with("campaign\t"));
  EXPECT_TRUE(said(in_fish(file, "ktrial campaign run --budg")).starts_with("--budget\t"));
  EXPECT_TRUE(said(in_fish(file, "ktrial run --format js")).starts_with("json"));
}

TEST_F(ManualTest, ZshCompletesCommandsOptionsAndValues) {
  if (!there_is("zsh")) GTEST_SKIP() << "no zsh here";
  const std::string file = script(zsh_completion(app_));
  EXPECT_NE(said(in_zsh(file, "ktrial camp")).find("\ncampaign:"), std::string::npos);
  EXPECT_NE(said(in_zsh(file, "ktrial campaign run --budg")).find("\n--budget:"),
            std::string::npos);
  EXPECT_EQ(said(in_zsh(file, "ktrial run --format js")), "text\njson\n");
}

}  // namespace
}  // namespace ktrial::cli
