// What is left of a run: its folder, or a bundle of one of its trials.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/file.h"
#include "harness/base/janitor.h"
#include "harness/bundle/manifest.h"
#include "results/store/store.h"

namespace ktrial::bundle {

struct Kept {
  std::string name;                  // as people gave it
  results::RunRecord run;            // of a bundle: with its one trial
  std::optional<Manifest> manifest;  // nothing: a run's own folder
  std::optional<TempDir> unpacked;   // where run.directory is, of a bundle

  bool is_bundle() const { return manifest.has_value(); }
  const std::filesystem::path& folder() const { return run.directory; }
};

// `what` is a bundle's file, else what Store::find() takes. A bundle is read up to `stage`, into a
// private folder that `janitor` removes if we are killed. ErrorKind::usage: there is no such thing.
Result<Kept> open_kept(const results::Store& store, const std::string& what, Stage stage,
                       Janitor& janitor);

// A fact of a run that is a deterministic one run again: that one's id.
inline constexpr const char* kReplayOf = "replay.of";
std::string fact(const results::Facts& facts, std::string_view name);  // "": there is none

// "deb:PACKAGE=VERSION" of the kernel that was really taken; empty: it was no package's.
std::string package_of(const results::RunRecord& run);

}  // namespace ktrial::bundle
