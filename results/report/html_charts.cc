// Distributions of times, and signatures over the nights.
#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/text.h"
#include "results/report/html_parts.h"
#include "results/report/text.h"

namespace ktrial::results::html {
namespace {

constexpr std::size_t kBins = 38;
constexpr double kWidth = 304, kLeft = 8, kHeight = 70, kBase = 76;

struct Sample {
  double seconds;
  Outcome outcome;
};

double quantile(std::vector<double>& values, double part) {
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

std::string seconds(double value) { return fixed(value, value < 100 ? 1 : 0) + " s"; }

// A histogram over [low, high]; what lies beyond stands in the last bin.
data chart(const std::string& title, const std::vector<Sample>& samples, double low, double high) {
  std::vector<double> values;
  for (const Sample& one : samples) values.push_back(one.seconds);
  const double median = quantile(values, 0.5), most = quantile(values, 0.95);
  std::array<std::array<std::size_t, 3>, kBins> bins{};
  for (const Sample& one : samples) {
    const double at = (one.seconds - low) / (high - low) * kBins;
    const auto bin = static_cast<std::size_t>(std::clamp(at, 0.0, double(kBins) - 1));
    ++bins[bin][static_cast<std::size_t>(one.outcome)];
  }
  std::size_t tallest = 1;
  for (const auto& bin : bins) tallest = std::max(tallest, bin[0] + bin[1] + bin[2]);
  list bars;
  for (std::size_t i = 0; i < kBins; ++i) {
    double y = kBase;
    for (const std::size_t outcome : {0u, 2u, 1u}) {
      if (bins[i][outcome] == 0) continue;
      const double height = std::max(
          1.0, kHeight * static_cast<double>(bins[i][outcome]) / static_cast<double>(tallest));
      y -= height;
      bars.push_back(object{{"c", outcome == 0   ? "p"
                                  : outcome == 1 ? "f"
                                                 : "u"},
                            {"x", fixed(kLeft + kWidth / kBins * static_cast<double>(i), 1)},
                            {"y", fixed(y, 1)},
                            {"w", fixed(kWidth / kBins - 1, 1)},
                            {"h", fixed(height, 1)}});
    }
  }
  list ticks;
  const char* const kAnchors[] = {"start", "middle", "end"};
  for (std::size_t i = 0; i < 3; ++i)
    ticks.push_back(object{{"x", fixed(kLeft + kWidth * static_cast<double>(i) / 2, 0)},
                           {"anchor", kAnchors[i]},
                           {"text", seconds(low + (high - low) * static_cast<double>(i) / 2)}});
  return object{{"title", title},
                {"note", "median " + seconds(median) + ", 95 % within " + seconds(most)},
                {"bars", std::move(bars)},
                {"ticks", std::move(ticks)}};
}

bool has(double value) { return value > 0 && value < 1e7; }

// Charts of one kind, a chart for each value of the first axis that varies, on one scale.
void add_charts(list& out, const CampaignRecord& campaign, const std::string& what,
                double CellTrial::* time, const std::string& axis) {
  constexpr std::size_t kMostCharts = 8;
  std::vector<std::pair<std::string, std::vector<Sample>>> parts;
  std::vector<double> all;
  for (const CampaignCell& cell : campaign.cells) {
    const std::string value = fact(cell.axes, axis);
    auto part =
        std::ranges::find(parts, value, &std::pair<std::string, std::vector<Sample>>::first);
    if (part == parts.end()) part = parts.insert(parts.end(), {value, {}});
    for (const CellTrial& one : cell.strip) {
      if (!has(one.*time) || (time == &CellTrial::boot_s && one.warm)) continue;
      part->second.push_back({one.*time, one.outcome});
      all.push_back(one.*time);
    }
  }
  if (all.empty()) return;
  const double low = std::floor(*std::ranges::min_element(all));
  const double high = std::max(low + 1, std::ceil(quantile(all, 0.995)));
  std::size_t shown = 0;
  for (const auto& [value, samples] : parts)
    if (!samples.empty() && shown++ < kMostCharts)
      out.push_back(
          chart(what + (value.empty() ? "" : ", " + one_line(value, 120)), samples, low, high));
}

std::string first_varying_axis(const CampaignRecord& campaign) {
  if (campaign.cells.empty()) return {};
  for (const auto& [key, value] : campaign.cells.front().axes)
    for (const CampaignCell& cell : campaign.cells)
      if (fact(cell.axes, key) != value) return key;
  return {};
}

}  // namespace

list charts_of(const CampaignRecord& campaign) {
  const std::string axis = first_varying_axis(campaign);
  list out;
  add_charts(out, campaign, "Boot", &CellTrial::boot_s, axis);
  add_charts(out, campaign, "Trial", &CellTrial::duration_s, axis);
  return out;
}

data trend_of(const CampaignRecord& campaign) {
  constexpr std::size_t kMostNights = 28;
  if (campaign.nights.size() < 2 || campaign.signatures.empty()) return none();
  const std::size_t all = campaign.nights.size(), from = all - std::min(all, kMostNights);
  const double step = 224.0 / static_cast<double>(all - from);
  list rows;
  for (std::size_t s = 0; s < campaign.signatures.size(); ++s) {
    const CampaignSignature& one = campaign.signatures[s];
    const auto of = [&](std::size_t night) {
      return night < one.nights.size() ? std::max(0, one.nights[night]) : 0;
    };
    int most = 1;
    for (std::size_t i = from; i < all; ++i) most = std::max(most, of(i));
    list bars;
    std::string text;
    for (std::size_t i = from; i < all; ++i) {
      const double height = of(i) == 0 ? 1 : std::max(3.0, 29.0 * of(i) / most);
      bars.push_back(object{{"c", of(i) == 0 ? "p" : "f"},
                            {"x", fixed(step * static_cast<double>(i - from), 1)},
                            {"y", fixed(30 - height, 1)},
                            {"w", fixed(std::max(1.0, std::min(step - 2, 24.0)), 1)},
                            {"h", fixed(height, 1)},
                            {"tip", one_line(campaign.nights[i].id, 60) + ": " + times(of(i))}});
      text += (text.empty() ? "" : ", ") + std::to_string(of(i));
    }
    rows.push_back(object{{"standing", some(badge(one.standing))},
                          {"tone", tone_of(one.standing)},
                          {"id", signature_id(s)},
                          {"title", title_of(one)},
                          {"text", text},
                          {"bars", std::move(bars)}});
  }
  return object{{"rows", std::move(rows)}};
}

}  // namespace ktrial::results::html
