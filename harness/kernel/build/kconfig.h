// Kernel configuration: the fragments of kconfigs/, a finished .config, and
// whether the one has what the other asked for. Making a .config: kconfig_make.h.
//
// Formats: a fragment is what the kernel's scripts/kconfig/merge_config.sh takes,
// `CONFIG_X=value` or `# CONFIG_X is not set` a line, other comments ignored. The
// comment line `# ktrial: if known` before an assignment says that kernels which
// do not have the option at all are fine too.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::kernel {

// One option that somebody wants.
struct WantedOption {
  std::string symbol;  // without CONFIG_
  std::string value;   // as in a .config: y, m, n (also for "is not set"), 42, 0x10, "text"
  std::string where;   // for people: "kasan.config:7"
  bool if_known = false;
  bool operator==(const WantedOption&) const = default;
};

// A .config: symbol (without CONFIG_) to value. What is not set is not in it.
using Config = std::map<std::string, std::string, std::less<>>;

// `name` is what messages call the text. ErrorKind::usage names the line of what
// is no assignment.
Result<std::vector<WantedOption>> parse_fragment(std::string_view text, const std::string& name);
Result<Config> parse_config(std::string_view text, const std::string& name);
Result<std::vector<WantedOption>> read_fragment(const std::filesystem::path& file);
Result<Config> read_config(const std::filesystem::path& file);

// The fragments of a kernel: all DIRECTORY/NN-*.config in order, then those of
// DIRECTORY/optional that are named: "kasan" means optional/NN-kasan.config, and
// a name with a slash is a file. An unknown name is a usage error that lists the
// known ones.
Result<std::vector<std::filesystem::path>> choose_fragments(const std::filesystem::path& directory,
                                                            const std::vector<std::string>& names);
// The names in DIRECTORY/optional, in order.
std::vector<std::string> optional_fragments(const std::filesystem::path& directory);

struct MissingOption {
  WantedOption wanted;
  std::string granted;  // "n" where it is not set
  std::string reason;   // why, where that is known: "needs !KCSAN (KCSAN=y)"
};

// What `config` does not have. A wanted m is content with y; of two that ask for
// the same symbol the later one counts.
std::vector<MissingOption> missing_options(const Config& config,
                                           const std::vector<WantedOption>& wanted);
// One line for people: "kasan.config:7: CONFIG_KASAN=y was asked for, but ..."
std::string describe(const MissingOption& missing);

// What somebody's `kconfig` list (of a workload.toml) lacks in a .config file.
// `who` is named in `where`. ErrorKind::usage for a list entry that is none.
Result<std::vector<MissingOption>> check_config(const std::filesystem::path& config,
                                                const std::vector<std::string>& kconfig,
                                                const std::string& who);

}  // namespace ktrial::kernel
