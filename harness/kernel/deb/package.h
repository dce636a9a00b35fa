// A package of Debian's archive, found in the machine's lists or in the wider ones, and unpacked
// without being installed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/result.h"
#include "harness/kernel/deb/apt.h"
#include "harness/kernel/kernel.h"

namespace ktrial::kernel {

struct LocatedPackage {
  AptPackage package;
  Apt::Lists lists = Apt::Lists::machine;
};

// The package in any list; the own lists are fetched once if they are missing or old.
Result<std::optional<LocatedPackage>> find_package(Apt& apt, const std::string& name,
                                                   const std::string& version);
// The same; ErrorKind::environment, with the hint, when there is none.
Result<LocatedPackage> locate(Apt& apt, const std::string& name, const std::string& version,
                              const std::string& hint);

// All of its files below `to`; the download goes through `root`/download and away again.
Status unpack(Apt& apt, const LocatedPackage& package, const std::filesystem::path& root,
              const std::filesystem::path& to, const ResolveOptions& options);

}  // namespace ktrial::kernel
