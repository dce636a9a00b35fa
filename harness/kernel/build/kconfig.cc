#include "harness/kernel/build/kconfig.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "CONFIG_";
constexpr std::string_view kNotSet = " is not set";
constexpr std::string_view kIfKnown = "# ktrial: if known";
constexpr std::size_t kMaxConfig = 4u << 20;  // bytes; a distribution's has 0.3 MB

bool is_symbol(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_';
  });
}

bool is_quoted(std::string_view value) {
  return value.size() >= 2 && value.starts_with('"') && value.ends_with('"');
}

struct Assignment {
  std::string symbol, value;
};

// nullopt: a comment or an empty line. An error has no position yet.
Result<std::optional<Assignment>> parse_line(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
    line.remove_suffix(1);
  if (line.starts_with("# CONFIG_") && line.ends_with(kNotSet)) {
    line.remove_prefix(2 + kPrefix.size());
    line.remove_suffix(kNotSet.size());
    if (is_symbol(line)) return Assignment{std::string(line), "n"};
    return std::nullopt;
  }
  if (line.empty() || line.starts_with('#')) return std::nullopt;
  const std::size_t equal = line.find('=');
  if (!line.starts_with(kPrefix) || equal == std::string_view::npos)
    return usage_error("\"" + std::string(line.substr(0, 60)) + "\" is no option",
                       "write CONFIG_NAME=value, or # CONFIG_NAME is not set");
  const std::string_view symbol = line.substr(kPrefix.size(), equal - kPrefix.size());
  const std::string_view value = line.substr(equal + 1);
  if (!is_symbol(symbol))
    return usage_error("\"CONFIG_" + std::string(symbol.substr(0, 60)) + "\" is no option's name",
                       "letters, digits and _ after CONFIG_");
  // A quoted text may hold anything; a bare value that does is a slip.
  if (value.empty() ||
      (!is_quoted(value) && value.find_first_of(" \t\"") != std::string_view::npos))
    return usage_error(
        "CONFIG_" + std::string(symbol) + " has the value \"" + std::string(value.substr(0, 60)) +
            "\"",
        "y, m, n, a number, or a text in double quotes; comments go on their own line");
  return Assignment{std::string(symbol), std::string(value)};
}

// Calls use(line, number) for each line, until it returns an error.
template <class Use>
Status each_line(std::string_view text, const std::string& name, Use use) {
  for (int number = 1; const auto line = take_line(text); ++number) {
    Status used = use(*line, number);
    if (!used)
      return std::unexpected(std::move(used).error().in(name + ":" + std::to_string(number)));
  }
  return {};
}

bool satisfies(std::string_view granted, std::string_view wanted) {
  return granted == wanted || (wanted == "m" && granted == "y");
}

std::vector<fs::path> fragments_in(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (entry.path().extension() == ".config" &&
        std::isdigit(static_cast<unsigned char>(entry.path().filename().string()[0])) != 0)
      files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

// "65-kasan.config" is called kasan.
std::string fragment_name(const fs::path& file) {
  const std::string stem = file.stem().string();
  return stem.substr(stem.find('-') + 1);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

Result<std::vector<WantedOption>> parse_fragment(std::string_view text, const std::string& name) {
  std::vector<WantedOption> wanted;
  bool if_known = false;
  KTRIAL_TRY(each_line(text, name, [&](std::string_view line, int number) -> Status {
    if (line == kIfKnown) {
      if_known = true;
      return {};
    }
    if (auto assignment = KTRIAL_TRY(parse_line(line)))
      wanted.push_back({std::move(assignment->symbol), std::move(assignment->value),
                        name + ":" + std::to_string(number), std::exchange(if_known, false)});
    return {};
  }));
  return wanted;
}

Result<Config> parse_config(std::string_view text, const std::string& name) {
  Config config;
  KTRIAL_TRY(each_line(text, name, [&](std::string_view line, int) -> Status {
    auto assignment = KTRIAL_TRY(parse_line(line));
    if (assignment && assignment->value == "n")
      config.erase(assignment->symbol);
    else if (assignment)
      config[std::move(assignment->symbol)] = std::move(assignment->value);
    return {};
  }));
  return config;
}

Result<std::vector<WantedOption>> read_fragment(const fs::path& file) {
  return parse_fragment(KTRIAL_TRY(read_file(file, kMaxConfig)), file.string());
}

Result<Config> read_config(const fs::path& file) {
  return parse_config(KTRIAL_TRY(read_file(file, kMaxConfig)), file.string());
}

std::vector<std::string> optional_fragments(const fs::path& directory) {
  std::vector<std::string> names;
  for (const fs::path& file : fragments_in(directory / "optional"))
    names.push_back(fragment_name(file));
  return names;
}

Result<std::vector<fs::path>> choose_fragments(const fs::path& directory,
                                               const std::vector<std::string>& names) {
  std::vector<fs::path> chosen = fragments_in(directory);
  if (chosen.empty())
    return fail(ErrorKind::environment, "no configuration fragments in " + directory.string(),
                "ktrial's share/ktrial/kconfigs is missing: install it again");
  std::vector<fs::path> extra;
  for (const std::string& name : names) {
    std::error_code error;
    if (name.find('/') != std::string::npos) {
      if (!fs::is_regular_file(name, error)) return usage_error("no fragment file " + name);
      extra.push_back(fs::absolute(name, error));
      continue;
    }
    const auto known = fragments_in(directory / "optional");
    const auto found = std::ranges::find(known, name, fragment_name);
    if (found == known.end())
      return usage_error("no configuration fragment \"" + name + "\"",
                         "there are: " + joined(optional_fragments(directory)) +
                             "; a file is written with a slash: ./" + name);
    if (std::ranges::find(extra, *found) == extra.end()) extra.push_back(*found);
  }
  chosen.insert(chosen.end(), extra.begin(), extra.end());
  return chosen;
}

std::vector<MissingOption> missing_options(const Config& config,
                                           const std::vector<WantedOption>& wanted) {
  std::map<std::string, const WantedOption*> last;
  for (const WantedOption& option : wanted) last[option.symbol] = &option;
  std::vector<MissingOption> missing;
  for (const WantedOption& option : wanted) {
    if (last[option.symbol] != &option) continue;
    const auto found = config.find(option.symbol);
    const std::string granted = found == config.end() ? "n" : found->second;
    if (!satisfies(granted, option.value)) missing.push_back({option, granted, ""});
  }
  return missing;
}

std::string describe(const MissingOption& missing) {
  const std::string symbol = "CONFIG_" + missing.wanted.symbol;
  return missing.wanted.where + ": " + symbol + "=" + missing.wanted.value +
         " was asked for, but " +
         (missing.granted == "n" ? "it is not set" : symbol + "=" + missing.granted) +
         (missing.reason.empty() ? "" : ": " + missing.reason);
}

Result<std::vector<MissingOption>> check_config(const fs::path& config,
                                                const std::vector<std::string>& kconfig,
                                                const std::string& who) {
  const Config granted = KTRIAL_TRY(read_config(config));
  std::vector<WantedOption> wanted;
  for (const std::string& entry : kconfig) {
    auto parsed = KTRIAL_TRY(parse_fragment(entry, who));
    if (parsed.size() != 1)
      return usage_error(who + ": kconfig entry \"" + entry + "\" is no option",
                         "write CONFIG_NAME=value");
    parsed.front().where = who;
    wanted.push_back(std::move(parsed.front()));
  }
  return missing_options(granted, wanted);
}

}  // namespace ktrial::kernel
