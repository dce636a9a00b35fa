#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "harness/base/home.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/deb/deb_cache.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/kernel.h"
#include "harness/kernel/nearby.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

bool has_directory(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

Result<Kernel> probe(const fs::path& path, std::string source, const ResolveOptions& options = {}) {
  const auto near = nearby(options.cache_dir, path, options.stop);
  const ImageInfo info = KTRIAL_TRY(probe_image(near ? near->copy : path));
  Kernel kernel;
  if (near) kernel.copy = near->copy;
  std::error_code error;
  kernel.image = fs::absolute(path, error).lexically_normal();
  kernel.release = info.release;
  kernel.arch = info.arch;
  kernel.source = std::move(source);
  kernel.sha256 = near ? near->sha256 : KTRIAL_TRY(sha256_file(path));
  return kernel;
}

void use_modules_dir(Kernel& kernel, const fs::path& modules) {
  // /lib/modules/RELEASE may exist for its build/ link or lists alone.
  if (!kernel.modules_dir &&
      (has_directory(modules / "kernel") || has_directory(modules / "updates")))
    kernel.modules_dir = modules;
  if (!kernel.modules_builtin && has_path(modules / "modules.builtin"))
    kernel.modules_builtin = modules / "modules.builtin";
}

void use_installed_modules(Kernel& kernel, const fs::path& root) {
  for (const char* prefix : {"lib/modules", "usr/lib/modules"})
    use_modules_dir(kernel, root / prefix / kernel.release);
}

void use_config(Kernel& kernel, const fs::path& path) {
  if (!kernel.config && has_path(path)) kernel.config = path;
}

void use_build_tree(Kernel& kernel, const fs::path& tree) {
  if (has_path(tree / "modules.order")) {
    kernel.modules_dir = tree;
    kernel.modules_layout = ModuleLayout::build_tree;
  }
  if (has_path(tree / "modules.builtin")) kernel.modules_builtin = tree / "modules.builtin";
  use_config(kernel, tree / ".config");
}

// A tree that `make` worked in has this file, be it of sources or O=.
bool is_build_tree(const fs::path& path) {
  return has_path(path / "include/config/auto.conf") ||
         has_path(path / "include/config/kernel.release");
}

Result<Kernel> resolve_build_tree(const fs::path& tree, const ResolveOptions& options) {
  std::vector<std::string> names;
  for (const arch::Arch* row : arch::all()) names.push_back(row->image_path);
  names.emplace_back("vmlinux");
  for (const std::string& name : names) {
    if (!has_path(tree / name)) continue;
    Kernel kernel = KTRIAL_TRY(probe(tree / name, "build tree " + tree.string(), options));
    use_build_tree(kernel, tree);
    return kernel;
  }
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : " or ") + name;
  return usage_error(tree.string() + " is a directory without " + known,
                     "name a kernel build tree (run make in it first) or an image file");
}

Result<Kernel> resolve_image(const ImageReference& reference, const ResolveOptions& options) {
  if (has_directory(reference.path)) return resolve_build_tree(reference.path, options);
  Kernel kernel = KTRIAL_TRY(probe(reference.path, "image " + reference.path.string(), options));
  std::error_code error;
  fs::path real = fs::canonical(reference.path, error);
  if (error) real = kernel.image;
  const fs::path directory = real.parent_path();
  // TREE/vmlinux, TREE/arch/ARCH/boot/IMAGE, also by a symlink.
  for (const fs::path& tree : {directory, directory.parent_path().parent_path().parent_path()})
    if (!kernel.modules_dir && is_build_tree(tree)) use_build_tree(kernel, tree);
  if (directory.filename() == "boot") use_installed_modules(kernel, directory.parent_path());
  // Fedora and Arch: lib/modules/RELEASE/vmlinuz.
  if (directory.filename() == kernel.release) use_modules_dir(kernel, directory);
  use_config(kernel, directory / ("config-" + kernel.release));
  use_config(kernel, directory / "config");
  return kernel;
}

Result<Kernel> resolve_host() {
  utsname names{};
  if (::uname(&names) != 0) return fail_errno("uname", errno);
  const std::string release = names.release;
  const fs::path image = "/boot/vmlinuz-" + release;
  const std::string instead = "name another kernel, e.g. " + std::string(default_reference());
  if (!has_path(image))
    return usage_error("the running kernel (" + release + ") has no image at " + image.string() +
                           ": this may be a container",
                       instead);
  if (::access(image.c_str(), R_OK) != 0)
    return usage_error(image.string() + " cannot be read by this user",
                       "sudo chmod a+r " + image.string() + ", or " + instead);
  Kernel kernel = KTRIAL_TRY(probe(image, "running kernel of this host"));
  use_installed_modules(kernel, "/");
  use_config(kernel, "/boot/config-" + release);
  return kernel;
}

bool is_image_name(const std::string& file) {
  return std::ranges::any_of(arch::all(), [&](const arch::Arch* row) {
    return file.starts_with(fs::path(row->image_path).filename().string());
  });
}

// boot/vmlinuz-RELEASE or (since 7.2) usr/lib/modules/RELEASE/vmlinuz of a
// package; Debian ships exactly one.
Result<fs::path> find_image(const UnpackedPackages& packages) {
  std::vector<fs::path> images;
  auto collect = [&](const fs::path& directory) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error)) {
      const std::string file = entry.path().filename().string();
      if (file.starts_with("vmlinu") || is_image_name(file)) images.push_back(entry.path());
    }
  };
  for (const fs::path& root : packages.roots) {
    collect(root / "boot");
    for (const char* modules : {"lib/modules", "usr/lib/modules"}) {
      std::error_code error;
      for (const auto& entry : fs::directory_iterator(root / modules, error)) collect(entry.path());
    }
  }
  if (images.empty())
    return usage_error("Debian package " + packages.package + " holds no kernel image",
                       "name a linux-image-* or linux-binary-* package");
  return std::ranges::min(images);
}

Result<Kernel> from_packages(const UnpackedPackages& packages) {
  const fs::path image = KTRIAL_TRY(find_image(packages));
  const std::string version = packages.version.empty() ? "" : " version " + packages.version;
  Kernel kernel = KTRIAL_TRY(probe(image, "Debian package " + packages.package + version));
  kernel.package_version = packages.version;
  for (const fs::path& root : packages.roots) {
    use_installed_modules(kernel, root);
    use_config(kernel, root / "boot" / ("config-" + kernel.release));
    use_config(kernel, root / "usr/lib/modules" / kernel.release / "config");
  }
  return kernel;
}

Result<Kernel> resolve_git(const GitReference& reference, const ResolveOptions& options) {
  const std::string name = "git:" + reference.revision;
  if (options.git.tree.empty())
    return usage_error(name + " needs to know which repository is meant", "add --tree DIR");
  BuildRequest request = options.git;
  request.revision = reference.revision;
  request.cache_dir = options.cache_dir;
  request.stop = options.stop;
  const BuildOutcome outcome = KTRIAL_TRY(build_kernel(request));
  if (const auto* failed = std::get_if<BuildFailed>(&outcome)) {
    std::string message = name + " does not compile:";
    for (const std::string& line : failed->errors) message += "\n  " + line;
    return fail(ErrorKind::environment, message, "see " + failed->log.string());
  }
  const Built& built = std::get<Built>(outcome);
  Kernel kernel = KTRIAL_TRY(resolve_build_tree(built.directory, {}));
  kernel.source = name + " (commit " + built.commit.substr(0, 12) + ")";
  kernel.commit = built.commit;
  return kernel;
}

struct Resolver {
  const ResolveOptions& options;
  Result<Kernel> operator()(const ImageReference& r) const { return resolve_image(r, options); }
  Result<Kernel> operator()(const HostReference&) const { return resolve_host(); }
  Result<Kernel> operator()(const DebPackageReference& r) const {
    return from_packages(KTRIAL_TRY(fetch_package(r, options)));
  }
  Result<Kernel> operator()(const DebFileReference& r) const {
    return from_packages(KTRIAL_TRY(fetch_deb_file(r, options)));
  }
  Result<Kernel> operator()(const GitReference& r) const { return resolve_git(r, options); }
};

}  // namespace

Result<Kernel> resolve(const Reference& reference, const ResolveOptions& options) {
  auto kernel = [&]() -> Result<Kernel> {
    try {
      ResolveOptions absolute = options;  // apt runs in other directories than ours
      if (!absolute.cache_dir.empty()) absolute.cache_dir = fs::absolute(absolute.cache_dir);
      return std::visit(Resolver{absolute}, reference);
    } catch (const std::exception& e) {  // std::filesystem throws where it has no error_code form
      return fail(ErrorKind::environment, e.what());
    }
  }();
  if (!kernel) return std::unexpected(std::move(kernel).error().in("kernel"));
  if (!options.offline && !std::holds_alternative<ImageReference>(reference) &&
      !std::holds_alternative<HostReference>(reference))
    KTRIAL_TRY(cache_bound());  // a wrong one is said at once, not at the next download
  return kernel;
}

Result<fs::path> default_cache_dir() {
  if (const char* cache = ::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')
    return fs::path(cache) / "ktrial";
  if (const fs::path home = home_dir(); !home.empty()) return home / ".cache" / "ktrial";
  return fail(ErrorKind::environment, "neither XDG_CACHE_HOME nor HOME is set",
              "set HOME, or XDG_CACHE_HOME to a folder that can be written");
}

}  // namespace ktrial::kernel
