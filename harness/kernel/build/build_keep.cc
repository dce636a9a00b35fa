#include "harness/kernel/build/build_keep.h"

#include <set>
#include <string>

#include "harness/arch/arch.h"
#include "harness/base/file.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

enum class Way { copy, link };

Status keep_file(const fs::path& from, const fs::path& to, Way way) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (error) return fail_errno("create " + to.parent_path().string(), error.value());
  if (way == Way::link) {
    fs::create_hard_link(from, to, error);
    if (!error || error == std::errc::file_exists) return {};
    error.clear();
  }
  return replace_with_copy(from, to);
}

bool is_wanted_header_file(const fs::path& file) {
  static const std::set<std::string> kUnwanted = {".o", ".a", ".cmd", ".d", ".tmp"};
  return !kUnwanted.contains(file.extension().string());
}

// All below from/name that `wanted` likes. What is not there is passed over.
template <class Wanted>
Status keep_folder(const fs::path& from, const fs::path& to, const fs::path& name, Way way,
                   Wanted wanted) {
  std::error_code error;
  fs::recursive_directory_iterator it(from / name, error), end;
  if (error == std::errc::no_such_file_or_directory) return {};
  for (; !error && it != end; it.increment(error)) {
    const fs::path relative = it->path().lexically_relative(from);
    if (it->is_symlink()) {
      // scripts/dtc/include-prefixes and the like lead to other architectures.
      continue;
    }
    if (it->is_regular_file() && wanted(it->path()))
      KTRIAL_TRY(keep_file(it->path(), to / relative, way));
  }
  if (error) return fail_errno("read " + (from / name).string(), error.value());
  return {};
}

// What `make M=...` reads of the sources; Debian's and the kernel's own packages
// of headers hold the same (scripts/package/builddeb).
Status keep_headers(const fs::path& source, const fs::path& objects, const fs::path& to) {
  const auto any = [](const fs::path&) { return true; };
  const std::string ours = "arch/" + arch::native().kernel;
  for (const std::string& name :
       {std::string("include"), ours + "/include", std::string("scripts")})
    KTRIAL_TRY(keep_folder(source, to, name, Way::link, any));
  std::error_code error;
  for (const std::string& folder : {std::string(), ours})
    for (const auto& entry : fs::directory_iterator(source / folder, error))
      if (entry.is_regular_file() && (entry.path().filename().string().starts_with("Makefile") ||
                                      entry.path().filename() == "Kbuild"))
        KTRIAL_TRY(
            keep_file(entry.path(), to / entry.path().lexically_relative(source), Way::link));
  for (const std::string& name :
       {std::string("include"), ours + "/include", std::string("scripts")})
    KTRIAL_TRY(keep_folder(objects, to, name, Way::copy, is_wanted_header_file));
  return {};
}

}  // namespace

Status keep_build(const fs::path& source, const fs::path& objects, const fs::path& to) {
  try {
    KTRIAL_TRY(keep_headers(source, objects, to));
    std::error_code error;
    for (const char* name :
         {arch::native().image_path.c_str(), "vmlinux", "System.map", ".config", "modules.builtin",
          "modules.builtin.modinfo", "modules.order", "Module.symvers", "tools/objtool/objtool"})
      if (fs::exists(objects / name, error))
        KTRIAL_TRY(keep_file(objects / name, to / name, Way::copy));
    for (const char* name : {"arch", "block", "crypto", "drivers", "fs", "init", "io_uring", "ipc",
                             "kernel", "lib", "mm", "net", "samples", "security", "sound", "virt"})
      KTRIAL_TRY(keep_folder(objects, to, name, Way::copy,
                             [](const fs::path& file) { return file.extension() == ".ko"; }));
  } catch (const fs::filesystem_error& e) {
    return fail(ErrorKind::environment, e.what());
  }
  return {};
}

}  // namespace ktrial::kernel
