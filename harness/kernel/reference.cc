#include "harness/kernel/reference.h"

#include <algorithm>

#include "harness/arch/arch.h"

namespace ktrial::kernel {

std::string_view default_reference() { return arch::native().default_kernel; }
namespace {

constexpr char kAccepted[] =
    "a kernel is PATH (an image or a build tree), deb:PACKAGE[=VERSION], deb:FILE.deb, host or "
    "git:REV; for example deb:linux-image-cloud-amd64 or arch/x86/boot/bzImage";

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Debian Policy 5.6.1 and 5.6.12. Being strict here also means that nothing
// that looks like an option or a path ever reaches apt's command line.
bool is_package_name(std::string_view text) {
  return text.size() >= 2 && is_alnum(text[0]) && std::ranges::all_of(text, [](char c) {
           return is_alnum(c) || c == '+' || c == '-' || c == '.';
         });
}
bool is_version(std::string_view text) {
  return !text.empty() && is_alnum(text[0]) && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || std::string_view("+-.~:").contains(c);
  });
}

Result<Reference> parse_deb(std::string_view rest) {
  if (rest.empty()) return usage_error("\"deb:\" names no package", kAccepted);
  if (rest.contains('/') || rest.ends_with(".deb")) return DebFileReference{rest};
  const std::size_t equals = rest.find('=');
  const std::string_view package = rest.substr(0, equals);
  if (!is_package_name(package))
    return usage_error("\"" + std::string(package) + "\" is not a Debian package name", kAccepted);
  if (equals == std::string_view::npos) return DebPackageReference{std::string(package), ""};
  const std::string_view version = rest.substr(equals + 1);
  if (!is_version(version))
    return usage_error("\"" + std::string(version) + "\" is not a Debian package version",
                       "write deb:" + std::string(package) + "=VERSION, or leave =VERSION out");
  return DebPackageReference{std::string(package), std::string(version)};
}

}  // namespace

Result<Reference> parse_reference(std::string_view text) {
  if (text.empty()) return usage_error("empty kernel reference", kAccepted);
  if (text.contains('\0')) return usage_error("kernel reference holds a NUL byte", kAccepted);
  if (text == "host") return HostReference{};
  if (text.starts_with("deb:")) return parse_deb(text.substr(4));
  if (text.starts_with("git:")) {
    const std::string_view revision = text.substr(4);
    // A leading '-' would be taken for an option by git.
    if (revision.empty() || revision.starts_with('-'))
      return usage_error("\"" + std::string(text) + "\" names no git revision", kAccepted);
    return GitReference{std::string(revision)};
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon > 0 && text.find('/') > colon)
    return usage_error("unknown kind of kernel reference \"" + std::string(text) + "\"",
                       std::string(kAccepted) + "; a path with a colon starts with ./");
  return ImageReference{text};
}

std::string to_string(const Reference& reference) {
  struct Visitor {
    std::string operator()(const ImageReference& r) const { return r.path.string(); }
    std::string operator()(const DebPackageReference& r) const {
      return "deb:" + r.package + (r.version.empty() ? "" : "=" + r.version);
    }
    std::string operator()(const DebFileReference& r) const { return "deb:" + r.path.string(); }
    std::string operator()(const HostReference&) const { return "host"; }
    std::string operator()(const GitReference& r) const { return "git:" + r.revision; }
  };
  return std::visit(Visitor{}, reference);
}

}  // namespace ktrial::kernel
