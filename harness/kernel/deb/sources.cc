#include "harness/kernel/deb/sources.h"

#include "harness/base/command.h"
#include "harness/base/text.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/deb/package.h"
#include "harness/kernel/lock.h"
#include "harness/spec/timeouts.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr char kSign[] = "kernel/torture.c";

bool holds_sources(const fs::path& folder) { return has_path(folder / kSign); }

// Of an archive of 150 MB, the two that are wanted: tar is quicker than our own reader, as it
// unpacks in a process of its own.
Status extract_sources(const fs::path& tarball, const fs::path& to, const ResolveOptions& options) {
  const auto output = KTRIAL_TRY(run_command(
      {"tar", "-C", to.string(), "-xf", tarball.string(), "--strip-components=1", "--wildcards",
       "linux-source-*/kernel/*.c", "linux-source-*/kernel/*.h"},
      {.timeout = spec::host_wait(spec::HostWait::module_build), .stop = options.stop}));
  if (output.ok()) return {};
  return fail(ErrorKind::environment,
              "tar -xf " + tarball.filename().string() + ": " + std::string(trimmed(output.err)),
              "apt-get install tar xz-utils");
}

Status fetch_sources(const fs::path& folder, const std::string& name, const Kernel& kernel,
                     const ResolveOptions& options) {
  Apt apt = KTRIAL_TRY(Apt::create(options.cache_dir, options.progress, options.stop));
  const auto package = KTRIAL_TRY(
      locate(apt, name, kernel.package_version,
             "the archive drops the sources of old kernels; use a newer kernel, one that has the "
             "module (kconfigs/optional/75-torture.config), or a build tree"));
  const fs::path whole = folder / "package";
  KTRIAL_TRY(unpack(apt, package, folder, whole, options));
  KTRIAL_TRY(extract_sources(whole / "usr/src" / (name + ".tar.xz"), folder, options));
  std::error_code error;
  fs::remove_all(whole, error);
  fs::remove_all(folder / "download", error);
  return {};
}

Result<fs::path> debian_sources(const Kernel& kernel, const ResolveOptions& options) {
  const std::string name = source_package(kernel.release);
  const fs::path parent = fs::absolute(options.cache_dir) / "sources";
  const std::string entry = name + "_" + kernel.package_version;
  const fs::path folder = parent / entry;
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) return fail_errno("create " + parent.string(), error.value());
  const FileLock lock = KTRIAL_TRY(FileLock::acquire(parent / (entry + ".lock"), options.stop));
  if (holds_sources(folder)) {
    mark_used(folder);
    return folder;
  }
  if (options.offline)
    return fail(ErrorKind::environment,
                name + "=" + kernel.package_version + " is not in the cache",
                "run it once with the network allowed");
  if (options.progress) options.progress("fetching " + name + "=" + kernel.package_version);
  KTRIAL_TRY(make_entry(
      folder, [&](const fs::path& into) { return fetch_sources(into, name, kernel, options); }));
  if (holds_sources(folder)) return folder;
  return fail(ErrorKind::environment, name + " holds no " + kSign);
}

}  // namespace

std::string source_package(std::string_view release) {
  const std::size_t first = release.find('.');
  if (first == std::string_view::npos || first == 0) return {};
  const std::size_t end = release.find_first_not_of("0123456789", first + 1);
  if (end == first + 1) return {};
  return "linux-source-" + std::string(release.substr(0, end));
}

Result<fs::path> find_sources(const Kernel& kernel, const fs::path& build_directory,
                              const ResolveOptions& options) {
  for (const fs::path& tree : {build_directory / "source", build_directory})
    if (holds_sources(tree)) return tree;
  if (!kernel.package_version.empty() && !source_package(kernel.release).empty())
    return debian_sources(kernel, options);
  return fail(ErrorKind::environment,
              "no sources of " + kernel.release + " in " + build_directory.string(),
              "name the kernel's build tree, or build the module with the kernel");
}

}  // namespace ktrial::kernel
