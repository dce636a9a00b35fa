// A kernel reference: what a user writes after --kernel.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

#include "harness/base/result.h"

namespace ktrial::kernel {

struct ImageReference {  // an image file, or a build tree when it is a directory
  std::filesystem::path path;
  bool operator==(const ImageReference&) const = default;
};
struct DebPackageReference {
  std::string package;
  std::string version;  // empty: the one apt would install
  bool operator==(const DebPackageReference&) const = default;
};
struct DebFileReference {
  std::filesystem::path path;
  bool operator==(const DebFileReference&) const = default;
};
struct HostReference {  // the kernel that runs here
  bool operator==(const HostReference&) const = default;
};
struct GitReference {
  std::string revision;
  bool operator==(const GitReference&) const = default;
};
using Reference = std::variant<ImageReference, DebPackageReference, DebFileReference, HostReference,
                               GitReference>;

// The kernel when the user names none: the distribution's cloud kernel.
std::string_view default_reference();

// Accepts PATH, deb:PACKAGE[=VERSION], deb:FILE (has a '/' or ends in ".deb"),
// host, git:REV. Looks at the text alone, never at the disk: `host` as a file
// name is written ./host. Otherwise ErrorKind::usage.
Result<Reference> parse_reference(std::string_view text);

// The text that parses to this reference.
std::string to_string(const Reference& reference);

}  // namespace ktrial::kernel
