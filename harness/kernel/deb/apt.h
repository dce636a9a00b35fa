// apt, asked about kernels: first with the machine's own configuration and
// lists, then with lists of our own below the cache directory (more suites of
// the same mirrors). Nothing of the machine's apt is ever changed, and root is
// not needed. apt-cache and apt-get do the work; this is their plumbing.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/command.h"
#include "harness/base/result.h"

namespace ktrial::kernel {

struct AptPackage {
  std::string name;
  std::string version;
  std::string depends;     // the control field, as apt prints it
  std::uint64_t size = 0;  // of the .deb, bytes
};

class Apt {
 public:
  enum class Lists { machine, own };

  // Reads the machine's sources. Without apt: ErrorKind::environment.
  static Result<Apt> create(const std::filesystem::path& cache_dir,
                            std::function<void(std::string_view)> progress, std::stop_token stop);

  // The package in these lists, its candidate version when `version` is empty;
  // nullopt when they have no such thing.
  Result<std::optional<AptPackage>> find(Lists lists, const std::string& name,
                                         const std::string& version);
  // All versions that these lists know.
  Result<std::vector<std::string>> versions(Lists lists, const std::string& name);
  // All versions of all linux-image-* and linux-binary-* packages.
  Result<std::vector<AptPackage>> kernel_packages(Lists lists);
  // Package names in either set of lists, nearest to `name` first.
  std::vector<std::string> near_matches(const std::string& name, std::size_t count);

  // Whether there are own lists, and whether they are older than an hour or than their sources.
  bool has_own_lists() const;
  bool own_lists_are_old() const;
  // Fetches the own lists. Suites that the mirror lacks or that have expired are passed over,
  // which `progress` is told, as long as some came.
  Status update_own_lists();

  // The .deb, below `directory` (an existing one).
  Result<std::filesystem::path> download(Lists lists, const AptPackage& package,
                                         const std::filesystem::path& directory);

  // Changes whenever either set of lists does: what was found stays true for
  // as long as the stamp is the same. Empty without apt.
  static std::string lists_stamp(const std::filesystem::path& cache_dir);

 private:
  explicit Apt(std::filesystem::path root) : root_(std::move(root)) {}
  Status write_configuration();
  std::vector<std::string> command(Lists lists, const std::string& program) const;
  std::vector<std::string> kernel_names(Lists lists);
  Result<CommandOutput> run(std::vector<std::string> argv, std::filesystem::path directory = {});
  std::unexpected<Error> network_error(const std::string& what, const CommandOutput& output) const;

  std::filesystem::path root_;     // CACHE/apt
  bool machine_has_cache_ = true;  // its apt keeps pkgcache.bin
  std::function<void(std::string_view)> progress_;
  std::stop_token stop_;
};

// The dependencies of `depends` that are parts of a kernel: linux-image-*,
// linux-binary-*, linux-modules-*. First alternatives only, versions dropped.
std::vector<std::string> kernel_dependencies(std::string_view depends);

}  // namespace ktrial::kernel
