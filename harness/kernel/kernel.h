// A kernel that can be booted, and how a reference becomes one.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "harness/arch/arch.h"
#include "harness/base/result.h"
#include "harness/kernel/build/build.h"
#include "harness/kernel/image.h"
#include "harness/kernel/reference.h"

namespace ktrial::kernel {

// Where module files lie below Kernel::modules_dir.
enum class ModuleLayout {
  installed,   // .../lib/modules/RELEASE, as `make modules_install` or a package leaves it
  build_tree,  // beside the objects; modules.order lists them
};

struct Kernel {
  std::filesystem::path image;
  // The same bytes in this host's cache, where the image is on another host's file system
  // (nearby.h): what is booted. Of `image` records tell.
  std::optional<std::filesystem::path> copy = {};
  const std::filesystem::path& nearest() const { return copy ? *copy : image; }
  std::string release;  // `uname -r` of this kernel
  const arch::Arch* arch = &arch::native();
  std::optional<std::filesystem::path> modules_dir;  // absent: no modules came with the image
  ModuleLayout modules_layout = ModuleLayout::installed;
  // The list of what is built in; it may lie elsewhere than the modules.
  std::optional<std::filesystem::path> modules_builtin;
  std::optional<std::filesystem::path> config;  // its .config
  std::string source;                           // for people: "Debian package X version Y"
  std::string sha256;                           // of the image file, hex
  std::string commit;                           // of its source, 40 hex digits, where known
  std::string package_version;                  // of the Debian package it came in, else empty
};

struct ResolveOptions {
  // Downloads are kept here; shared safely between concurrent ktrials.
  std::filesystem::path cache_dir;
  bool offline = false;  // never use the network: what is cached must do
  // Called with one line of progress, without a newline, from the same thread.
  std::function<void(std::string_view)> progress = {};
  std::stop_token stop = {};
  // How git:REV is built: tree (--tree; empty: none was named), fragments and so on.
  // Its revision, cache_dir and stop are resolve()'s own.
  BuildRequest git = {};
};

// Finds the kernel, downloading it when the reference is a Debian package.
// ErrorKind::usage when the reference leads to nothing bootable,
// ErrorKind::environment when the host (network, disk, apt) is in the way, or when
// a commit does not compile: who has to tell that apart (a bisection) calls
// build_kernel(), and resolves what it built as a build tree.
Result<Kernel> resolve(const Reference& reference, const ResolveOptions& options);

// $XDG_CACHE_HOME/ktrial, else ~/.cache/ktrial.
Result<std::filesystem::path> default_cache_dir();

}  // namespace ktrial::kernel
