#include "harness/kernel/deb/catalog.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <optional>

#include "harness/base/command.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/deb/apt.h"

namespace ktrial::kernel {
namespace {

constexpr std::string_view kImage = "linux-image-", kBinary = "linux-binary-";

// "6.1.0-48-cloud-amd64" of any kind of package: linux-image-R, linux-binary-R and, before
// Debian has signed them, linux-image-R-unsigned, linux-binary-unsigned-R.
std::string_view release_of(std::string_view package) {
  for (std::string_view prefix : {kImage, kBinary}) {
    if (!package.starts_with(prefix)) continue;
    package.remove_prefix(prefix.size());
    if (package.starts_with("unsigned-")) package.remove_prefix(9);
    if (package.ends_with("-unsigned")) package.remove_suffix(9);
    return package;
  }
  return {};
}

// Which package stands for a release that several hold: the lowest.
int rank(std::string_view package) {
  return (package.contains("-unsigned") ? 2 : 0) + (package.starts_with(kBinary) ? 1 : 0);
}

using Key = std::pair<std::string, std::string>;  // release, version

class Catalog {
 public:
  explicit Catalog(const std::string& pattern) : pattern_(pattern) {}

  void add(PackagedKernel kernel) {
    if (!is_kernel_package(kernel.package) || !wanted(kernel.package)) return;
    auto [it, fresh] =
        kernels_.try_emplace({std::string(release_of(kernel.package)), kernel.version}, kernel);
    if (fresh) return;
    it->second.cached |= kernel.cached;
    it->second.size = std::max(it->second.size, kernel.size);
    if (rank(kernel.package) < rank(it->second.package)) it->second.package = kernel.package;
  }

  std::vector<PackagedKernel> take() {
    std::vector<PackagedKernel> out;
    for (auto& [key, kernel] : kernels_) out.push_back(std::move(kernel));
    return out;
  }

 private:
  bool wanted(const std::string& package) const {
    const auto matches = [&](const std::string& name) {
      return ::fnmatch(pattern_.c_str(), name.c_str(), 0) == 0;
    };
    // Since 6.19 the image package is empty and the binary package holds the kernel.
    return matches(package) || matches(std::string(kImage) + std::string(release_of(package)));
  }
  std::string pattern_;
  std::map<Key, PackagedKernel> kernels_;
};

void add_cached(Catalog& catalog, const ResolveOptions& options) {
  for (const auto& folder : entry_folders(options.cache_dir, "deb")) {
    const std::string name = folder.filename().string();
    const std::size_t underscore = name.find('_');
    if (underscore == std::string::npos) continue;
    catalog.add({name.substr(0, underscore), name.substr(underscore + 1), 0, true});
  }
}

Status add_lists(Catalog& catalog, Apt& apt) {
  for (Apt::Lists lists : {Apt::Lists::machine, Apt::Lists::own}) {
    if (lists == Apt::Lists::own && !apt.has_own_lists()) continue;
    for (AptPackage& package : KTRIAL_TRY(apt.kernel_packages(lists)))
      catalog.add({std::move(package.name), std::move(package.version), package.size, false});
  }
  return {};
}

Status add_archive(Catalog& catalog, const ResolveOptions& options) {
  Apt apt = KTRIAL_TRY(Apt::create(options.cache_dir, options.progress, options.stop));
  if (!apt.has_own_lists() || apt.own_lists_are_old()) {
    auto updated = apt.update_own_lists();
    if (!updated && !apt.has_own_lists()) return updated;
    if (!updated && options.progress)
      options.progress("the package lists are old: " + updated.error().message);
  }
  return add_lists(catalog, apt);
}

}  // namespace

Result<std::vector<PackagedKernel>> known_packages(const std::string& pattern,
                                                   const ResolveOptions& options) {
  Catalog catalog(pattern);
  add_cached(catalog, options);
  if (!options.offline)
    if (auto apt = Apt::create(options.cache_dir, options.progress, options.stop); apt)
      KTRIAL_TRY(add_lists(catalog, *apt));
  return catalog.take();
}

bool is_kernel_package(std::string_view name) {
  const std::string_view release = release_of(name);
  if (name.ends_with("-dbg")) return false;
  // "linux-image-6.12-cloud-amd64" may be a metapackage; 6.12.90+deb13, 7.3-rc4 are releases, and
  // so is whatever has a binary package.
  const std::size_t end = std::min(release.find_first_not_of("0123456789."), release.size());
  const auto dots = std::ranges::count(release.substr(0, end), '.');
  const std::string_view rest = release.substr(end);
  return dots >= 2 || (dots == 1 && (rest.starts_with('+') || rest.starts_with("-rc") ||
                                     name.starts_with(kBinary)));
}

Status sort_by_version(std::vector<PackagedKernel>& kernels, std::stop_token stop) {
  std::optional<Error> error;
  // dpkg knows the order; a merge sort asks it least often.
  auto older = [&](const PackagedKernel& a, const PackagedKernel& b) {
    if (error || a.version == b.version) return false;
    auto output =
        run_command({"dpkg", "--compare-versions", a.version, "lt", b.version}, {.stop = stop});
    if (output) return output->ok();
    error = std::move(output).error();
    return false;
  };
  std::ranges::stable_sort(kernels, older);
  if (error) return std::unexpected(std::move(*error));
  return {};
}

Result<std::vector<PackagedKernel>> list_packages(const std::string& pattern,
                                                  const ResolveOptions& options) {
  Catalog catalog(pattern);
  add_cached(catalog, options);
  if (!options.offline) KTRIAL_TRY(add_archive(catalog, options));
  std::vector<PackagedKernel> kernels = catalog.take();
  if (kernels.empty())
    return usage_error("no kernel package matches \"" + pattern + "\"",
                       options.offline ? "only the cache was searched (--offline)"
                                       : "e.g. \"linux-image-6.1*-cloud-amd64\"; quote it, so that "
                                         "the shell leaves it alone");
  KTRIAL_TRY(sort_by_version(kernels, options.stop));
  return kernels;
}

}  // namespace ktrial::kernel
