#include "harness/kernel/deb/deb_cache.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <sstream>

#include "harness/base/file.h"
#include "harness/kernel/archive.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/deb/apt.h"
#include "harness/kernel/deb/apt_messages.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/lock.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxDepth = 8;  // of metapackages that lead to metapackages

// One package that is needed, and where apt has it.
struct Part {
  AptPackage package;
  Apt::Lists lists = Apt::Lists::machine;
};

// The image's package first. `text` form, one a line: "stamp S",
// "part PACKAGE VERSION"...
struct Plan {
  std::string stamp;
  std::vector<std::pair<std::string, std::string>> parts;  // package, version
};

bool is_kernel_file(std::string_view path) {
  return path.starts_with("boot/") || path.starts_with("lib/modules/") ||
         path.starts_with("usr/lib/modules/") || path.starts_with("usr/lib/linux-image-");
}

// A version may hold ':' and '~'; both are fine in file names.
std::string directory_name(const std::string& package, const std::string& version) {
  return package + "_" + version;
}

Status make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    return std::unexpected(Error{ErrorKind::environment,
                                 "create " + path.string() + ": " + error.message(),
                                 "set XDG_CACHE_HOME to a folder that can be written"});
  return {};
}

class DebCache {
 public:
  static Result<DebCache> open(const ResolveOptions& options) {
    DebCache cache(options);
    KTRIAL_TRY(make_directory(cache.root_ / "plan"));
    return cache;
  }

  fs::path directory(const std::string& name) const { return root_ / name; }
  bool has(const std::string& name) const {
    std::error_code error;
    return fs::is_directory(root_ / name, error);
  }

  // Makes deb/NAME, unless another process has done so meanwhile.
  Status add(const std::string& name, const std::function<Status(const fs::path&)>& fill) const {
    FileLock lock = KTRIAL_TRY(FileLock::acquire(root_ / (name + ".lock"), options_.stop));
    if (has(name)) return {};
    return make_entry(root_ / name, fill);
  }

  std::optional<Plan> read_plan(const std::string& reference) const {
    auto text = read_file(root_ / "plan" / reference);
    if (!text) return std::nullopt;
    Plan plan;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string kind, package, version;
      words >> kind;
      if (kind == "stamp" && line.size() > 6) plan.stamp = line.substr(6);
      if (kind == "part" && words >> package >> version) plan.parts.emplace_back(package, version);
    }
    for (const auto& [package, version] : plan.parts)
      if (!has(directory_name(package, version))) return std::nullopt;
    if (plan.parts.empty()) return std::nullopt;
    return plan;
  }
  Status write_plan(const std::string& reference, const Plan& plan) const {
    std::string text = "stamp " + plan.stamp + "\n";
    for (const auto& [package, version] : plan.parts)
      text += "part " + package + " " + version + "\n";
    return write_file_atomically(root_ / "plan" / reference, text);
  }

  // Unpacked packages that answer to the reference although no plan led to
  // them: a metapackage's did, or another version of the lists.
  std::optional<Plan> find_unpacked(const DebPackageReference& reference) const {
    std::vector<std::pair<fs::file_time_type, std::string>> versions;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_, error)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(reference.package + "_") || !entry.is_directory(error)) continue;
      if (entry.path().extension() == ".tmp") continue;
      const std::string version = name.substr(reference.package.size() + 1);
      if (reference.version.empty() || reference.version == version)
        versions.emplace_back(entry.last_write_time(error), version);
    }
    if (versions.empty()) return std::nullopt;
    const std::string version = std::ranges::max(versions).second;
    Plan plan{"", {{reference.package, version}}};
    if (reference.package.starts_with("linux-binary-"))
      for (const char* prefix : {"linux-modules-", "linux-base-"}) {
        const std::string sibling = prefix + reference.package.substr(13);
        if (has(directory_name(sibling, version))) plan.parts.emplace_back(sibling, version);
      }
    return plan;
  }

  UnpackedPackages unpacked(const Plan& plan) const {
    UnpackedPackages result{plan.parts[0].first, plan.parts[0].second, {}};
    for (const auto& [package, version] : plan.parts) {
      result.roots.push_back(root_ / directory_name(package, version));
      mark_used(result.roots.back());
    }
    return result;
  }

 private:
  explicit DebCache(const ResolveOptions& options)
      : options_(options), root_(options.cache_dir / "deb") {}
  const ResolveOptions& options_;
  fs::path root_;
};

// Finds packages, asking the machine's lists first and our own only then.
class Finder {
 public:
  explicit Finder(Apt& apt, std::vector<Apt::Lists> lists = {Apt::Lists::machine, Apt::Lists::own})
      : apt_(apt), lists_(std::move(lists)) {}

  // nullopt: no list has it, and the own lists are fresh.
  Result<std::optional<Part>> find(const std::string& name, const std::string& version) {
    for (Apt::Lists lists : lists_)
      if (auto package = KTRIAL_TRY(apt_.find(lists, name, version))) return Part{*package, lists};
    if (updated_ || (apt_.has_own_lists() && !apt_.own_lists_are_old())) return std::nullopt;
    KTRIAL_TRY(apt_.update_own_lists());
    updated_ = true;
    auto package = KTRIAL_TRY(apt_.find(Apt::Lists::own, name, version));
    if (!package) return std::nullopt;
    return Part{*package, Apt::Lists::own};
  }

  Result<Part> need(const std::string& name, const std::string& version) {
    if (auto part = KTRIAL_TRY(find(name, version))) return std::move(*part);
    const std::string what = version.empty() ? name : name + "=" + version;
    std::string hint;
    if (!version.empty()) {
      for (Apt::Lists lists : lists_)
        for (const std::string& other : KTRIAL_TRY(apt_.versions(lists, name)))
          if (!hint.contains(other)) hint += (hint.empty() ? "versions there are: " : ", ") + other;
    }
    if (hint.empty())
      for (const std::string& near : apt_.near_matches(name, 5))
        hint += (hint.empty() ? "near names: " : ", ") + near;
    if (hint.empty()) hint = "`apt-cache pkgnames linux-image` lists what this machine's apt knows";
    return usage_error("no Debian package " + what, hint);
  }

  // The packages that hold the kernel and its modules, image first.
  //
  // linux-image-RELEASE holds both, or (since 6.19) is empty and depends on
  // linux-binary-RELEASE, linux-modules-RELEASE and linux-base-RELEASE. Metapackages such as
  // linux-image-cloud-amd64 depend on one of those.
  Status collect(const Part& part, int depth) {
    if (depth > kMaxDepth) return usage_error("Debian metapackages that lead in a circle");
    const std::string& name = part.package.name;
    std::vector<std::string> next = kernel_dependencies(part.package.depends);
    if (name.starts_with("linux-modules-")) {
      parts_.push_back(part);
      return {};
    }
    if (name.starts_with("linux-binary-")) {
      parts_.insert(parts_.begin(), part);
      std::string release = name.substr(std::string_view("linux-binary-").size());
      if (release.starts_with("unsigned-")) release.erase(0, 9);
      for (const char* prefix : {"linux-modules-", "linux-base-"})
        KTRIAL_TRY(collect_optional(prefix + release, part.package.version));
      return {};
    }
    if (next.empty()) {
      parts_.insert(parts_.begin(), part);
      return {};
    }
    const bool has_binary =
        std::ranges::any_of(next, [](const auto& n) { return n.starts_with("linux-binary-"); });
    for (const std::string& dependency : next) {
      // linux-modules-* comes along with its linux-binary-*.
      if (has_binary && dependency.starts_with("linux-modules-")) continue;
      const Part needed = KTRIAL_TRY(need_like(dependency, part));
      KTRIAL_TRY(collect(needed, depth + 1));
    }
    return {};
  }
  std::vector<Part> take_parts() { return std::move(parts_); }

 private:
  // A dependency from the same suite as what needs it, if it is there: both
  // lists may know the name, in different versions.
  Result<Part> need_like(const std::string& name, const Part& needed_by) {
    if (auto same = KTRIAL_TRY(apt_.find(needed_by.lists, name, needed_by.package.version)))
      return Part{*same, needed_by.lists};
    return need(name, "");
  }

  // The archive drops the modules and base (config, modules.builtin) packages of
  // older backports: such a kernel boots all the same.
  Status collect_optional(const std::string& name, const std::string& version) {
    for (Apt::Lists lists : lists_) {
      if (auto package = KTRIAL_TRY(apt_.find(lists, name, version))) {
        parts_.push_back({*package, lists});
        break;
      }
    }
    return {};
  }

  Apt& apt_;
  std::vector<Apt::Lists> lists_;
  bool updated_ = false;
  std::vector<Part> parts_;
};

Status unpack_into(const fs::path& deb, const fs::path& directory) {
  const DebContent content = KTRIAL_TRY(unpack_deb(deb, directory, is_kernel_file));
  if (content.files == 0)
    return usage_error(deb.filename().string() + " holds no kernel and no modules",
                       "name a linux-image-* or linux-binary-* package");
  return write_file_atomically(directory / "control", content.control);
}

Status add_part(const DebCache& cache, Apt& apt, const Part& part) {
  const std::string name = directory_name(part.package.name, part.package.version);
  if (cache.has(name)) return {};
  return cache.add(name, [&](const fs::path& directory) -> Status {
    const fs::path download = directory / "download";
    KTRIAL_TRY(make_directory(download));
    const fs::path deb = KTRIAL_TRY(apt.download(part.lists, part.package, download));
    KTRIAL_TRY(unpack_into(deb, directory));
    std::error_code ignored;
    fs::remove_all(download, ignored);
    return {};
  });
}

}  // namespace

namespace {

Result<Plan> make_plan(const DebCache& cache, Apt& apt, Finder finder,
                       const DebPackageReference& reference, const fs::path& cache_dir) {
  const Part first = KTRIAL_TRY(finder.need(reference.package, reference.version));
  KTRIAL_TRY(finder.collect(first, 0));
  Plan plan;
  for (const Part& part : finder.take_parts()) {
    KTRIAL_TRY(add_part(cache, apt, part));
    plan.parts.emplace_back(part.package.name, part.package.version);
  }
  if (plan.parts.empty())
    return usage_error("Debian package " + reference.package + " leads to no kernel");
  plan.stamp = Apt::lists_stamp(cache_dir);
  return plan;
}

Result<Plan> make_plan(const DebCache& cache, const DebPackageReference& reference,
                       const ResolveOptions& options) {
  Apt apt = KTRIAL_TRY(Apt::create(options.cache_dir, options.progress, options.stop));
  auto plan = make_plan(cache, apt, Finder(apt), reference, options.cache_dir);
  if (plan || plan.error().kind != ErrorKind::environment ||
      mirror_unreachable(plan.error().message))
    return plan;
  // The machine's lists may be weeks old and name a version that the mirror no
  // longer has. They are not ours to refresh; our own are.
  if (!apt.update_own_lists()) return plan;
  return make_plan(cache, apt, Finder(apt, {Apt::Lists::own}), reference, options.cache_dir);
}

}  // namespace

Result<UnpackedPackages> fetch_package(const DebPackageReference& reference,
                                       const ResolveOptions& options) {
  const DebCache cache = KTRIAL_TRY(DebCache::open(options));
  const std::string key = to_string(reference).substr(4);  // without "deb:"
  // Known and on disk. Which version an unversioned name means can change only
  // when the package lists do.
  std::optional<Plan> known = cache.read_plan(key);
  if (known && (options.offline || !reference.version.empty() ||
                known->stamp == Apt::lists_stamp(options.cache_dir)))
    return cache.unpacked(*known);
  if (!known) known = cache.find_unpacked(reference);
  if (options.offline) {
    if (known) return cache.unpacked(*known);
    return fail(ErrorKind::environment, "Debian package " + key + " is not in the cache",
                "run it once with the network allowed");
  }
  auto plan = make_plan(cache, reference, options);
  if (plan) {
    KTRIAL_TRY(cache.write_plan(key, *plan));
    return cache.unpacked(*plan);
  }
  // No network, full disk: what we have is better than nothing, if said so.
  if (!known || plan.error().kind != ErrorKind::environment)
    return std::unexpected(std::move(plan).error());
  if (options.progress)
    options.progress("using " + known->parts[0].first + " " + known->parts[0].second +
                     " from the cache: " + plan.error().message);
  return cache.unpacked(*known);
}

Result<UnpackedPackages> fetch_deb_file(const DebFileReference& reference,
                                        const ResolveOptions& options) {
  std::error_code error;
  if (!fs::is_regular_file(reference.path, error))
    return usage_error(reference.path.string() + ": no such Debian package file",
                       "check the path; deb:PACKAGE downloads a package by name");
  const DebCache cache = KTRIAL_TRY(DebCache::open(options));
  // By content, not by version: rebuilt kernels keep their version number.
  const std::string name = "file-" + KTRIAL_TRY(sha256_file(reference.path));
  KTRIAL_TRY(cache.add(
      name, [&](const fs::path& directory) { return unpack_into(reference.path, directory); }));
  UnpackedPackages result{reference.path.filename().string(), "", {cache.directory(name)}};
  std::istringstream control(KTRIAL_TRY(read_file(cache.directory(name) / "control")));
  for (std::string line; std::getline(control, line);) {
    if (line.starts_with("Package: ")) result.package = line.substr(9);
    if (line.starts_with("Version: ")) result.version = line.substr(9);
  }
  return result;
}

}  // namespace ktrial::kernel
