// A kernel's configuration against what a report says of its own. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ktrial::reproduce {

// `config` is a .config, `wanted` are options as "CONFIG_KASAN=y"; others are passed over. Where
// the kernel is otherwise, for people: "it has no CONFIG_KASAN=y". Built in and as a module are
// alike.
std::vector<std::string> config_differences(std::string_view config,
                                            const std::vector<std::string>& wanted);

}  // namespace ktrial::reproduce
