#include "harness/guest_image/modules.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "harness/base/file.h"
#include "harness/guest_image/modinfo.h"
#include "harness/kernel/archive.h"

namespace ktrial::guest_image {
namespace fs = std::filesystem;
namespace {

constexpr char kRebuildHint[] =
    "the modules folder does not belong to this kernel or is incomplete: build or install its "
    "modules again";

// "a/virtio-pci.ko.xz" -> "virtio_pci"; nothing for other files.
std::optional<std::string> module_name_of(const fs::path& path) {
  std::string file = path.filename().string();
  for (const char* suffix : {".xz", ".zst", ".gz"})
    if (file.ends_with(suffix)) file.resize(file.size() - std::string_view(suffix).size());
  if (!file.ends_with(".ko") || file.size() == 3) return std::nullopt;
  file.resize(file.size() - 3);
  return normalise_module_name(file);
}

using Index = std::map<std::string, fs::path>;

// depmod's default search order: updates/ wins over everything else.
bool better(const fs::path& candidate, const fs::path& present, const fs::path& root) {
  auto rank = [&](const fs::path& path) {
    return *path.lexically_relative(root).begin() == "updates";
  };
  if (rank(candidate) != rank(present)) return rank(candidate);
  return candidate < present;
}

Result<Index> index_installed(const fs::path& root) {
  Index index;
  std::error_code error;
  // Does not follow directory symlinks: build/ and source/ lead away.
  for (fs::recursive_directory_iterator at(root, error), end; !error && at != end;
       at.increment(error)) {
    const auto name = module_name_of(at->path());
    if (!name || at->is_directory(error)) continue;
    auto [present, added] = index.try_emplace(*name, at->path());
    if (!added && better(at->path(), present->second, root)) present->second = at->path();
  }
  if (error) return fail_errno("read the modules in " + root.string(), error.value());
  return index;
}

// modules.order lists what the last build made, as a/b.ko (older kernels:
// kernel/a/b.ko; some: a/b.o). Walking a whole source tree would take seconds.
Result<Index> index_build_tree(const fs::path& root) {
  Index index;
  std::error_code error;
  std::istringstream lines(KTRIAL_TRY(read_file(root / "modules.order")));
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with(".o")) line.replace(line.size() - 2, 2, ".ko");
    fs::path path = root / line;
    if (line.starts_with("kernel/") && !fs::exists(path, error)) path = root / line.substr(7);
    if (const auto name = module_name_of(path)) index.try_emplace(*name, path);
  }
  return index;
}

// nullopt: there is no such list, so nothing can be said.
Result<std::optional<std::set<std::string>>> read_builtin(const std::optional<fs::path>& list) {
  if (!list) return std::nullopt;
  std::set<std::string> names;
  std::istringstream lines(KTRIAL_TRY(read_file(*list)));
  for (std::string line; std::getline(lines, line);)
    if (const auto name = module_name_of(line)) names.insert(*name);
  return names;
}

class Resolver {
 public:
  Resolver(const kernel::Kernel& kernel, Index index, std::optional<std::set<std::string>> builtin)
      : kernel_(kernel), index_(std::move(index)), builtin_(std::move(builtin)) {}

  Status want(const std::string& name) {
    if (index_.contains(name)) return load(name, "");
    if (is_builtin(name))
      result_.builtin.push_back(name);
    else if (builtin_)
      result_.absent.push_back(name);
    else
      result_.missing.push_back(name);
    return {};
  }
  Closure take() { return std::move(result_); }

 private:
  bool is_builtin(const std::string& name) const { return builtin_ && builtin_->contains(name); }

  std::unexpected<Error> broken(const std::string& needed_by, std::string message) const {
    if (!needed_by.empty()) message += " (needed by module " + needed_by + ")";
    return usage_error(std::move(message), kRebuildHint);
  }

  Status need(const std::string& name, const std::string& needed_by) {
    if (index_.contains(name)) return load(name, needed_by);
    if (is_builtin(name)) return {};
    return broken(needed_by,
                  "module " + name + " is missing from " + kernel_.modules_dir->string());
  }

  Status load(const std::string& name, const std::string& needed_by) {
    if (done_.contains(name)) return {};
    if (!path_.insert(name).second)
      return broken(needed_by, "module dependencies form a cycle at " + name);
    const fs::path& file = index_.at(name);
    auto contents = kernel::read_maybe_compressed(file);
    if (!contents) return broken(needed_by, "module " + name + ": " + contents.error().message);
    auto info = read_modinfo(*contents, *kernel_.arch);
    if (!info) return broken(needed_by, file.string() + ": " + info.error().message);
    if (info->vermagic_release != kernel_.release)
      return broken(needed_by, file.string() + " is built for kernel \"" + info->vermagic_release +
                                   "\", not for " + kernel_.release);
    for (const std::string& soft : info->pre_softdeps)
      // Only a wish: absent ones are skipped, and one under way is no cycle.
      if (index_.contains(soft) && !path_.contains(soft)) KTRIAL_TRY(load(soft, name));
    for (const std::string& dependency : info->depends) KTRIAL_TRY(need(dependency, name));
    path_.erase(name);
    done_.insert(name);
    result_.modules.push_back({name, file, std::move(*contents)});
    return {};
  }

  const kernel::Kernel& kernel_;
  Index index_;
  std::optional<std::set<std::string>> builtin_;
  std::set<std::string> path_;  // from the wanted module down to the current one
  std::set<std::string> done_;
  Closure result_;
};

}  // namespace

Result<Closure> closure(const kernel::Kernel& kernel, std::span<const std::string> wanted) {
  Index index;
  if (kernel.modules_dir)
    index = KTRIAL_TRY(kernel.modules_layout == kernel::ModuleLayout::installed
                           ? index_installed(*kernel.modules_dir)
                           : index_build_tree(*kernel.modules_dir));
  Resolver resolver(kernel, std::move(index), KTRIAL_TRY(read_builtin(kernel.modules_builtin)));
  std::set<std::string> seen;
  for (const std::string& name : wanted) {
    std::string normal = normalise_module_name(name);
    if (seen.insert(normal).second) KTRIAL_TRY(resolver.want(normal));
  }
  return resolver.take();
}

}  // namespace ktrial::guest_image
