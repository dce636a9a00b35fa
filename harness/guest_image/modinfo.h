// The .modinfo section of a kernel module: NUL-separated "key=value" strings
// (include/linux/moduleparam.h, MODULE_INFO).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/arch/arch.h"
#include "harness/base/result.h"

namespace ktrial::guest_image {

struct ModuleInfo {
  std::string name;                       // as in /proc/modules; empty before Linux 4.14
  std::string vermagic_release;           // first word of vermagic
  std::vector<std::string> depends;       // normalised names, in the file's order
  std::vector<std::string> pre_softdeps;  // likewise: to be loaded first if they exist
};

// Reads an uncompressed .ko of this architecture.
// ErrorKind::usage when it is not one or is corrupt; the caller names the file.
Result<ModuleInfo> read_modinfo(std::string_view module_file,
                                const arch::Arch& arch = arch::native());

// Module names are equal up to '-' and '_': the '_' form.
std::string normalise_module_name(std::string_view name);

}  // namespace ktrial::guest_image
