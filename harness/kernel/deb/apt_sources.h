// The machine's package sources, and the wider set of Debian suites on the
// same mirrors in which kernels are looked for. Formats: sources.list(5), both
// the one-line and the deb822 style. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ktrial::kernel {

struct AptSource {
  std::vector<std::string> uris;
  std::vector<std::string> suites;
  std::vector<std::string> components;
  std::string signed_by;  // as written: a path, a fingerprint or a key block over several lines
  bool trusted = false;
  bool operator==(const AptSource&) const = default;
};

// Enabled binary ("deb") sources. Lines that make no sense are skipped: apt
// itself will complain about them.
std::vector<AptSource> parse_one_line_sources(std::string_view text);
std::vector<AptSource> parse_deb822_sources(std::string_view text);

struct WiderSources {
  std::string text;         // a deb822 .sources file; empty when the machine is not on Debian
  std::string own_release;  // codename of the machine's own release, e.g. "bookworm"
};
// The machine's own Debian suites, the other releases with their security and backports suites,
// sid and experimental.
WiderSources widen(const std::vector<AptSource>& machine);

}  // namespace ktrial::kernel
