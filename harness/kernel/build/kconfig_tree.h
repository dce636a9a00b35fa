// Why a kernel's configuration does not grant an option: its definitions in the
// kernel's Kconfig files, and which of their dependencies a .config does not meet.
//
// The kernel's own tools grant or drop an option without a word, so the files are
// read here. Read: config, menuconfig, menu, choice, if, source, depends on,
// visible if, prompts and their `if` (Documentation/kbuild/kconfig-language.rst);
// ARCH and SRCARCH are put in for macros. Other macros, such as $(cc-option,...), are not
// evaluated: a dependency on one is reported as unknown.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/kernel/build/kconfig.h"

namespace ktrial::kernel {

struct OptionDefinition {
  std::string where;                      // "lib/Kconfig.kasan:34"
  std::vector<std::string> dependencies;  // expressions; all must hold
  bool has_prompt = false;                // else only other options can set it
  std::vector<std::string> prompt_conditions;
  bool in_choice = false;
};
using OptionDefinitions = std::multimap<std::string, OptionDefinition, std::less<>>;

// The definitions of these symbols (without CONFIG_), from SOURCE/Kconfig on.
// ErrorKind::environment when that file is missing; a missing further file is
// passed over, as not every architecture has all.
Result<OptionDefinitions> find_options(const std::filesystem::path& source,
                                       const std::string& srcarch,
                                       const std::set<std::string>& symbols);

// The value of an expression of the Kconfig language.
enum class Truth { no, module, yes, unknown };
Truth evaluate(std::string_view expression, const Config& config);

// The parts of `expression` that keep it from being true, each with the values of
// its symbols: {"!KCSAN (KCSAN=y)"}. Empty when it holds.
std::vector<std::string> unmet_parts(std::string_view expression, const Config& config);

// Fills in the reason of each, and drops those that the tree need not know.
std::vector<MissingOption> explain(std::vector<MissingOption> missing, const Config& config,
                                   const OptionDefinitions& definitions);

}  // namespace ktrial::kernel
