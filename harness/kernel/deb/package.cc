#include "harness/kernel/deb/package.h"

#include <utility>

#include "harness/base/command.h"
#include "harness/base/text.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

// dpkg-deb keeps what a build needs and unpack_deb() drops: links and modes.
// The packages are those that apt has verified.
Status extract(const fs::path& deb, const fs::path& root, const ResolveOptions& options) {
  const auto output = KTRIAL_TRY(
      run_command({"dpkg-deb", "--extract", deb.string(), root.string()}, {.stop = options.stop}));
  if (output.ok()) return {};
  return fail(ErrorKind::environment, "dpkg-deb --extract " + deb.filename().string() + ": " +
                                          std::string(trimmed(output.err)));
}

}  // namespace

Result<std::optional<LocatedPackage>> find_package(Apt& apt, const std::string& name,
                                                   const std::string& version) {
  for (const bool updated : {false, true}) {
    if (updated) {
      if (apt.has_own_lists() && !apt.own_lists_are_old()) return std::nullopt;
      KTRIAL_TRY(apt.update_own_lists());
    }
    for (const Apt::Lists lists : {Apt::Lists::machine, Apt::Lists::own})
      if (auto package = KTRIAL_TRY(apt.find(lists, name, version)))
        return LocatedPackage{*package, lists};
  }
  return std::nullopt;
}

Result<LocatedPackage> locate(Apt& apt, const std::string& name, const std::string& version,
                              const std::string& hint) {
  if (auto found = KTRIAL_TRY(find_package(apt, name, version))) return std::move(*found);
  return fail(ErrorKind::environment,
              "no Debian package " + name + (version.empty() ? "" : "=" + version), hint);
}

Status unpack(Apt& apt, const LocatedPackage& package, const fs::path& root, const fs::path& to,
              const ResolveOptions& options) {
  const fs::path download = root / "download" / package.package.name;  // one file in each
  std::error_code error;
  fs::create_directories(download, error);
  if (error) return fail_errno("create " + download.string(), error.value());
  const auto deb = KTRIAL_TRY(apt.download(package.lists, package.package, download));
  KTRIAL_TRY(extract(deb, to, options));
  fs::remove_all(download, error);
  return {};
}

}  // namespace ktrial::kernel
