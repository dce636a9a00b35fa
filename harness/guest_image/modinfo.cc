#include "harness/guest_image/modinfo.h"

#include <elf.h>

#include <algorithm>

#include "harness/base/text.h"
#include "harness/kernel/elf.h"

namespace ktrial::guest_image {
namespace {

constexpr std::size_t kMaxNames = 4096;

// "pre: a b post: c" -> a, b.
void add_pre_softdeps(std::string_view value, std::vector<std::string>& into) {
  bool pre = false;
  for (std::string_view word : split(value, ' ')) {
    if (word.ends_with(':'))
      pre = word == "pre:";
    else if (pre)
      into.push_back(normalise_module_name(word));
  }
}

}  // namespace

std::string normalise_module_name(std::string_view name) {
  std::string result(name);
  std::ranges::replace(result, '-', '_');
  return result;
}

Result<ModuleInfo> read_modinfo(std::string_view module_file, const arch::Arch& arch) {
  const kernel::ElfHeader header = KTRIAL_TRY(kernel::read_elf_header(module_file));
  if (header.machine != arch.elf_machine || !header.is_64bit_little_endian)
    return usage_error("a module for " + kernel::machine_name(header.machine) + ", not for " +
                       arch.name);
  if (header.type != ET_REL) return usage_error("an ELF file, but not a kernel module");
  const auto section = KTRIAL_TRY(kernel::find_section(header, module_file, ".modinfo"));
  if (!section) return usage_error("not a kernel module: it has no .modinfo section");

  ModuleInfo info;
  for (std::string_view item : split(*section, '\0')) {
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = item.substr(0, equals), value = item.substr(equals + 1);
    if (key == "name")
      info.name = normalise_module_name(value);
    else if (key == "vermagic")
      info.vermagic_release = value.substr(0, value.find(' '));
    else if (key == "depends")
      for (std::string_view name : split(value, ','))
        info.depends.push_back(normalise_module_name(name));
    else if (key == "softdep")
      add_pre_softdeps(value, info.pre_softdeps);
    if (info.depends.size() > kMaxNames || info.pre_softdeps.size() > kMaxNames)
      return usage_error("corrupt .modinfo: thousands of dependencies");
  }
  return info;
}

}  // namespace ktrial::guest_image
