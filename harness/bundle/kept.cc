#include "harness/bundle/kept.h"

#include <algorithm>

#include "harness/base/re2.h"
#include "harness/bundle/reader.h"

namespace ktrial::bundle {
namespace fs = std::filesystem;
namespace {

Result<Kept> open_bundle(const std::string& file, Stage stage, Janitor& janitor) {
  TempDir folder = KTRIAL_TRY(TempDir::create("ktrial-bundle"));
  janitor.watch(folder.path());
  const Manifest manifest = KTRIAL_TRY(unpack_bundle(file, stage, folder.path()));
  auto run = results::load_run(folder.path());
  if (!run || run->trials.size() != 1)
    return usage_error(
        file + ": its records are none" + (run && !run->unreadable.empty() ? ": verdict.json" : ""),
        "get the bundle again, or ask who made it");
  return Kept{file, *std::move(run), manifest, std::move(folder)};
}

}  // namespace

Result<Kept> open_kept(const results::Store& store, const std::string& what, Stage stage,
                       Janitor& janitor) {
  std::error_code error;
  const auto status = fs::status(what, error);
  // A folder is a run's; an id may be the name of a file by chance, but has no reason to.
  if (fs::exists(status) && !fs::is_directory(status)) return open_bundle(what, stage, janitor);
  auto run = store.load(what);
  if (!run) {
    Error problem = std::move(run).error();
    if (problem.kind == ErrorKind::usage)
      problem.hint = "give a bundle's file, an id, the beginning of one, a run's folder, or `last`";
    return std::unexpected(std::move(problem));
  }
  return Kept{what, *std::move(run), std::nullopt, std::nullopt};
}

std::string fact(const results::Facts& facts, std::string_view name) {
  const auto found = std::ranges::find(facts, name, &results::Facts::value_type::first);
  return found == facts.end() ? "" : found->second;
}

std::string package_of(const results::RunRecord& run) {
  static const RE2 kPackage(R"(^Debian package (\S+) version (\S+)$)");
  std::string package, version;
  if (!full_match(fact(run.facts, "kernel.source"), kPackage, &package, &version)) return "";
  return "deb:" + package + "=" + version;
}

}  // namespace ktrial::bundle
