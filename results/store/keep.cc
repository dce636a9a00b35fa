#include "results/store/keep.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace ktrial::results {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 3> kRun = {"run.json", "job.json", "trials"};
constexpr std::array<std::string_view, 4> kTrial = {"verdict.json", "console.log", "autopsy.txt",
                                                    "kernel.log"};

template <class Stays>
Status sweep(const fs::path& folder, Stays stays) {
  std::error_code error;
  std::vector<fs::path> goes;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (!stays(it->path().filename().string())) goes.push_back(it->path());
  for (const fs::path& path : goes)
    if (fs::remove_all(path, error); error)
      return fail_errno("remove " + path.string(), error.value());
  return {};
}

}  // namespace

Status thin(const fs::path& run, Keep keep) {
  KTRIAL_TRY(sweep(
      run, [](const std::string& name) { return std::ranges::find(kRun, name) != kRun.end(); }));
  std::error_code error;
  std::vector<fs::path> trials;
  for (fs::directory_iterator it(run / "trials", error), end; !error && it != end;
       it.increment(error))
    trials.push_back(it->path());
  const std::size_t stay = keep == Keep::records ? 1 : kTrial.size();
  for (const fs::path& trial : trials)
    KTRIAL_TRY(sweep(trial, [&](const std::string& name) {
      return std::ranges::find(kTrial.begin(), kTrial.begin() + stay, name) !=
             kTrial.begin() + stay;
    }));
  return {};
}

}  // namespace ktrial::results
