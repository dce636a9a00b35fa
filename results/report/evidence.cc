#include <set>

#include "harness/base/file.h"
#include "results/report/campaign.h"

namespace ktrial::results {
namespace {

constexpr std::size_t kMostPictureBytes = 400 << 10;

std::string picture_of(const TrialRecord& trial) {
  std::error_code error;
  const std::filesystem::path file = trial.artifacts / "trace.svg";
  const auto size = std::filesystem::file_size(file, error);
  if (error || size > kMostPictureBytes) return {};
  return read_file(file).value_or("");
}

}  // namespace

const TrialRecord* CampaignEvidence::trial(const std::string& run, int index) const {
  const auto at = runs.find(run);
  if (at == runs.end()) return nullptr;
  for (const TrialRecord& trial : at->second.trials)
    if (trial.index == index) return &trial;
  return nullptr;
}

void add_pictures(CampaignEvidence& evidence, const CampaignRecord& campaign) {
  for (const CampaignSignature& one : campaign.signatures) {
    const TrialRecord* trial = evidence.trial(one.run, one.index);
    if (!trial) continue;
    if (std::string picture = picture_of(*trial); !picture.empty())
      evidence.pictures.emplace(std::pair(one.run, one.index), std::move(picture));
  }
}

CampaignEvidence load_evidence(const Store& store, const CampaignRecord& campaign) {
  CampaignEvidence out;
  std::set<std::string> wanted;
  for (const CampaignSignature& one : campaign.signatures) wanted.insert(one.run);
  for (const CampaignCell& cell : campaign.cells)
    if (!cell.strip.empty()) wanted.insert(cell.strip.front().run);
  for (const std::string& id : wanted) {
    if (id.empty()) continue;
    if (auto run = store.load(id)) out.runs.emplace(id, std::move(*run));
  }
  add_pictures(out, campaign);
  return out;
}

}  // namespace ktrial::results
