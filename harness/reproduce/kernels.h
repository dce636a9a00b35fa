// The nearest kernel that can be had to the one that a report is about. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/kernel/deb/catalog.h"
#include "harness/mail/understand.h"

namespace ktrial::reproduce {

// "6.19.6+deb13-cloud-amd64", "v6.13-rc1", "next-20250814".
struct Release {
  int major = 0, minor = 0, patch = 0, rc = 0;  // rc 0: none
  std::string rest;                             // "+deb13-cloud-amd64"
  bool known() const { return major > 0; }
  std::string text() const;  // "6.19.6", "6.13-rc1"
};
Release parse_release(std::string_view text);
// Older, the same, newer: -1, 0, 1; by numbers alone.
int compare(const Release& a, const Release& b);
// Of a packaged kernel: of "linux-image-6.19.6+deb13-cloud-amd64" that, with the package's version
// where the name holds an ABI number ("6.1.0-56").
Release release_of(const kernel::PackagedKernel& package);

struct KernelChoice {
  std::string reference;             // "deb:PACKAGE=VERSION"; empty: none can be had
  std::string wanted;                // the report's release; empty: not told
  std::string why;                   // how it was chosen
  std::vector<std::string> differs;  // from the reported one
};
KernelChoice choose_kernel(const mail::Understanding& report,
                           std::span<const kernel::PackagedKernel> packages);

// Mainline's newest release at a date "2026-03-10": "6.19". Empty: before 5.10, or no date.
std::string mainline_at(std::string_view date);

// A kernel that the report calls good, or the nearest before `bad` that can be had: for a
// bisection.
struct Ends {
  std::string good;   // a version as `bisect --good` takes it; empty: none
  bool told = false;  // by the report
  std::string fixed;  // the first later one that is good again; empty: none told
};
Ends bisection_ends(const mail::Understanding& report, const Release& bad,
                    std::span<const kernel::PackagedKernel> packages);

}  // namespace ktrial::reproduce
