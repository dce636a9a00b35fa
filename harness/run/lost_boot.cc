#include "harness/run/lost_boot.h"

#include <vector>

#include "harness/vm/vm.h"

namespace ktrial::run {
namespace fs = std::filesystem;

bool lost_at_boot(const results::TrialRecord& record) {
  const results::Verdict& verdict = record.verdict;
  return verdict.outcome == results::Outcome::inconclusive && record.boot_s == 0 &&
         record.accel == vm::name(vm::Accel::tcg) &&
         (verdict.kind == results::Kind::no_boot || verdict.kind == results::Kind::emulator);
}

Status set_aside(const fs::path& artifacts, const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(artifacts, error)) files.push_back(entry.path());
  if (!error) fs::create_directory(folder, error);
  for (const fs::path& file : files)
    if (!error) fs::rename(file, folder / file.filename(), error);
  if (error) return fail(ErrorKind::environment, folder.string() + ": " + error.message());
  return {};
}

}  // namespace ktrial::run
