#include "harness/kernel/deb/headers.h"

#include <optional>
#include <utility>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/deb/apt.h"
#include "harness/kernel/deb/catalog.h"
#include "harness/kernel/deb/newer_libc.h"
#include "harness/kernel/deb/package.h"
#include "harness/kernel/lock.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr char kWithoutHeaders[] =
    "the archive drops the headers of old kernels; use a newer kernel or a build tree";

bool is_build_directory(const fs::path& path) {
  std::error_code error;
  return fs::exists(path / "Makefile", error) && fs::exists(path / "scripts", error) &&
         fs::exists(path / "include/generated/autoconf.h", error);
}

// The headers' package and all that it needs to build a module.
Result<std::vector<LocatedPackage>> collect(Apt& apt, const std::string& release,
                                            const std::string& version) {
  std::vector<LocatedPackage> packages = {
      KTRIAL_TRY(locate(apt, "linux-headers-" + release, version, kWithoutHeaders))};
  const AptPackage top = packages.front().package;
  for (const HeaderDependency& wanted : header_dependencies(top.depends)) {
    // linux-kbuild is asked for as ">= V": the one of the same build, if it is there.
    auto same = wanted.version.empty() ? KTRIAL_TRY(find_package(apt, wanted.name, top.version))
                                       : std::optional<LocatedPackage>();
    packages.push_back(
        same ? *same : KTRIAL_TRY(locate(apt, wanted.name, wanted.version, kWithoutHeaders)));
  }
  return packages;
}

// Of all suites: apt's own candidate is that of the machine's release.
Result<AptPackage> newest(Apt& apt, const std::string& name, const ResolveOptions& options) {
  std::vector<PackagedKernel> versions;
  for (std::string& version : KTRIAL_TRY(apt.versions(Apt::Lists::own, name)))
    versions.push_back({name, std::move(version)});
  KTRIAL_TRY(sort_by_version(versions, options.stop));
  if (!versions.empty())
    if (auto found = KTRIAL_TRY(apt.find(Apt::Lists::own, name, versions.back().version)))
      return std::move(*found);
  return fail(ErrorKind::environment, "no Debian package " + name + " in the wider suites");
}

// The tools that are built for a newer Debian get its libc6.
Status adapt_programs(const fs::path& root, const ResolveOptions& options) {
  const auto programs = KTRIAL_TRY(programs_above(root / "usr/lib", this_machines_glibc()));
  if (programs.empty()) return {};
  if (options.offline)
    return fail(ErrorKind::environment,
                "the headers in " + root.string() + " want the libc6 of a newer Debian",
                "run it once with the network allowed");
  Apt apt = KTRIAL_TRY(Apt::create(options.cache_dir, options.progress, options.stop));
  if (!apt.has_own_lists()) KTRIAL_TRY(apt.update_own_lists());
  const AptPackage libc = KTRIAL_TRY(newest(apt, "libc6", options));
  KTRIAL_TRY(unpack(apt, {libc, Apt::Lists::own}, root, root / "libc", options));
  return run_with_libc(programs, root / "libc");
}

fs::path directory_in(const fs::path& root, const Kernel& kernel) {
  return root / "usr/src" / ("linux-headers-" + kernel.release);
}

// What the unpacked packages need to be of use here. Again, it does nothing; of what an older
// ktrial has unpacked, it mends what is left to do.
Status adapt(const fs::path& root, const Kernel& kernel, const ResolveOptions& options) {
  KTRIAL_TRY(adapt_programs(root, options));
  const fs::path makefile = directory_in(root, kernel) / "Makefile";
  const auto text = KTRIAL_TRY(read_file(makefile));
  const auto relocated = relocate_headers_makefile(text);
  return relocated == text ? Status() : write_file_atomically(makefile, relocated);
}

Status fill(const fs::path& root, const Kernel& kernel, const ResolveOptions& options) {
  Apt apt = KTRIAL_TRY(Apt::create(options.cache_dir, options.progress, options.stop));
  const auto packages = KTRIAL_TRY(collect(apt, kernel.release, kernel.package_version));
  for (const LocatedPackage& package : packages)
    KTRIAL_TRY(unpack(apt, package, root, root, options));
  KTRIAL_TRY(adapt(root, kernel, options));
  std::error_code error;
  fs::remove_all(root / "download", error);
  return {};
}

Result<fs::path> debian_headers(const Kernel& kernel, const ResolveOptions& options) {
  const fs::path parent = options.cache_dir / "headers";
  const std::string name = kernel.release + "_" + kernel.package_version;
  const fs::path root = parent / name;
  const fs::path directory = directory_in(root, kernel);
  if (options.offline && !is_build_directory(directory))
    return fail(ErrorKind::environment,
                "the headers of " + kernel.release + " are not in the cache",
                "run it once with the network allowed");
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) return fail_errno("create " + parent.string(), error.value());
  const FileLock lock = KTRIAL_TRY(FileLock::acquire(parent / (name + ".lock"), options.stop));
  if (is_build_directory(directory)) {
    KTRIAL_TRY(adapt(root, kernel, options));
    mark_used(root);
    return directory;
  }
  KTRIAL_TRY(
      make_entry(root, [&](const fs::path& folder) { return fill(folder, kernel, options); }));
  if (is_build_directory(directory)) return directory;
  return fail(ErrorKind::environment, "the packages of linux-headers-" + kernel.release +
                                          " hold no build tree in " + directory.string());
}

}  // namespace

std::vector<HeaderDependency> header_dependencies(std::string_view depends) {
  std::vector<HeaderDependency> out;
  while (!depends.empty()) {
    const std::size_t comma = std::min(depends.find(','), depends.size());
    std::string_view one = depends.substr(0, comma);
    depends.remove_prefix(std::min(comma + 1, depends.size()));
    one = trimmed(one.substr(0, one.find('|')));
    HeaderDependency dependency{std::string(one.substr(0, one.find_first_of(" ("))), ""};
    if (!dependency.name.starts_with("linux-headers-") &&
        !dependency.name.starts_with("linux-kbuild-"))
      continue;
    if (const std::size_t equal = one.find("(= "); equal != std::string_view::npos)
      dependency.version = one.substr(equal + 3, one.find(')', equal) - equal - 3);
    out.push_back(std::move(dependency));
  }
  return out;
}

std::string relocate_headers_makefile(std::string_view makefile) {
  static constexpr std::string_view kAbsolute = "/usr/src/";
  static constexpr std::string_view kBeside = "$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../";
  std::string out;
  while (!makefile.empty()) {
    const std::size_t end = std::min(makefile.find('\n'), makefile.size() - 1) + 1;
    std::string_view line = makefile.substr(0, end);
    makefile.remove_prefix(end);
    // Since 7.1 KBUILD_OUTPUT comes first: expanded at once, for what is included later
    // changes $(MAKEFILE_LIST).
    for (const auto& [word, instead] :
         {std::pair<std::string_view, std::string_view>{"include ", "include "},
          {"KBUILD_OUTPUT=", "KBUILD_OUTPUT:="}})
      if (line.starts_with(word) && line.substr(word.size()).starts_with(kAbsolute)) {
        out += instead;
        out += kBeside;
        line.remove_prefix(word.size() + kAbsolute.size());
        break;
      }
    out += line;
  }
  return out;
}

Result<fs::path> find_build_directory(const Kernel& kernel, const ResolveOptions& options) {
  if (kernel.modules_layout == ModuleLayout::build_tree && kernel.modules_dir &&
      is_build_directory(*kernel.modules_dir))
    return *kernel.modules_dir;
  std::vector<fs::path> candidates;
  if (kernel.modules_dir && kernel.modules_layout == ModuleLayout::installed)
    candidates.push_back(*kernel.modules_dir / "build");
  // TREE/vmlinux and TREE/arch/x86/boot/bzImage of a tree without modules.
  const fs::path directory = kernel.image.parent_path();
  candidates.push_back(directory);
  candidates.push_back(directory.parent_path().parent_path().parent_path());
  // The link of an unpacked package points at this machine's /usr/src: only a
  // kernel of this machine may use what is there.
  if (kernel.package_version.empty())
    for (const fs::path& candidate : candidates)
      if (is_build_directory(candidate)) return candidate;
  if (!kernel.package_version.empty()) {
    ResolveOptions absolute = options;
    absolute.cache_dir = fs::absolute(options.cache_dir);
    return debian_headers(kernel, absolute);
  }
  return fail(ErrorKind::environment,
              "no headers for " + kernel.release + " (" + kernel.source + ")",
              "name the kernel's build tree, or install its headers so that lib/modules/" +
                  kernel.release + "/build leads to them");
}

}  // namespace ktrial::kernel
