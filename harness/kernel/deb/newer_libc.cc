#include "harness/kernel/deb/newer_libc.h"

#include <gnu/libc-version.h>

#include <algorithm>
#include <string>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLargest = 64u << 20;  // of a program; objtool has 300 KiB
constexpr std::string_view kLoader = "ld-linux-x86-64.so.2", kTriplet = "x86_64-linux-gnu";
constexpr char kBesideScript[] = ".elf";

// Debian 12's libc6 has it in /lib, later ones in /usr/lib.
Result<fs::path> loader_folder(const fs::path& libc) {
  std::error_code error;
  for (const char* lib : {"usr/lib", "lib"})
    if (const fs::path folder = libc / lib / kTriplet; fs::exists(folder / kLoader, error))
      return folder;
  return fail(ErrorKind::environment,
              "the libc6 in " + libc.string() + " has no " + std::string(kLoader));
}

}  // namespace

int this_machines_glibc() {
  std::string_view version = ::gnu_get_libc_version();  // "2.36"
  version.remove_prefix(std::min(version.size(), version.find('.') + 1));
  return to_number<int>(version.substr(0, version.find_first_not_of("0123456789"))).value_or(0);
}

int wanted_glibc(std::string_view program) {
  static constexpr std::string_view kVersion = "GLIBC_2.";
  int highest = 0;
  if (!program.starts_with("\177ELF")) return highest;
  for (std::size_t at = 0; (at = program.find(kVersion, at)) != program.npos;) {
    at += kVersion.size();
    const std::size_t end = std::min(program.find_first_not_of("0123456789", at), at + 4);
    highest = std::max(highest, to_number<int>(program.substr(at, end - at)).value_or(0));
  }
  return highest;
}

Result<std::vector<fs::path>> programs_above(const fs::path& folder, int minor) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->is_symlink(error) || !it->is_regular_file(error)) continue;
    // Run by the script of its name.
    if (it->path().extension() == kBesideScript &&
        fs::exists(fs::path(it->path()).replace_extension(), error))
      continue;
    const auto bytes = read_file(it->path(), kLargest);
    if (bytes && wanted_glibc(*bytes) > minor) out.push_back(it->path());
  }
  if (error) return fail_errno("read " + folder.string(), error.value());
  return out;
}

Status run_with_libc(const std::vector<fs::path>& programs, const fs::path& libc) {
  const fs::path folder = KTRIAL_TRY(loader_folder(libc));
  for (const fs::path& program : programs) {
    std::error_code error;
    const fs::path to_folder = fs::relative(folder, program.parent_path(), error);
    fs::path elf = program;
    elf += kBesideScript;
    if (!error) fs::rename(program, elf, error);
    if (error) return fail_errno("move " + program.string(), error.value());
    std::string script = "#!/bin/sh\nhere=$(readlink -f \"$0\")\nlibc=$(dirname \"$here\")/";
    script += to_folder.string();
    script += "\nexec \"$libc/";
    script += kLoader;
    script += "\" --library-path \"$libc:/usr/lib/";
    script += kTriplet;
    script += "\" \"$here.elf\" \"$@\"\n";
    KTRIAL_TRY(write_file_atomically(program, script));
    fs::permissions(program, fs::perms(0755), error);
    if (error) return fail_errno("chmod " + program.string(), error.value());
  }
  return {};
}

}  // namespace ktrial::kernel
