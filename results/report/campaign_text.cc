// A night on one screen.
#include <algorithm>
#include <cmath>
#include <span>

#include "harness/base/text.h"
#include "results/report/campaign.h"
#include "results/report/campaign_words.h"
#include "results/report/text.h"

namespace ktrial::results {
namespace {

constexpr std::size_t kMostSignatures = 6, kMostCells = 8, kMostLost = 2, kMostNumbers = 3;

Ink ink_of(Standing standing) {
  switch (standing) {
    case Standing::fresh:
    case Standing::worse:
      return Ink::bad;
    case Standing::better:
    case Standing::gone:
    case Standing::clean:
      return Ink::good;
    default:
      return Ink::unsure;
  }
}

std::string signature_lines(const CampaignSignature& one, bool color) {
  const std::string indent(10, ' ');
  std::string out =
      "  " + inked(padded(std::string(name(one.standing)), 7), ink_of(one.standing), color) + " " +
      inked(one_line(title_of(one), 90), Ink::bold, color) + "\n" + indent + seen_text(one);
  if (!one.common.empty()) out += ", " + one_line(one.common, 160);
  out += "\n";
  if (!one.why.empty()) out += indent + one_line(one.why, 200) + "\n";
  if (const std::string known = known_text(one); !known.empty())
    out += indent + (one.known->expired ? inked(known, Ink::bad, color) : known) + "\n";
  if (!one.run.empty())
    out += indent + "ktrial report " + one_line(one.run, 60) + "   (trial " +
           std::to_string(one.index) + ")\n";
  return out;
}

std::string signatures(const CampaignRecord& campaign, bool color) {
  if (campaign.signatures.empty()) return "\nNo failure.\n";
  std::string out = "\n" + inked("Look at first", Ink::bold, color) + "\n";
  for (std::size_t i = 0; i < std::min(kMostSignatures, campaign.signatures.size()); ++i)
    out += signature_lines(campaign.signatures[i], color);
  if (campaign.signatures.size() > kMostSignatures)
    out += "  ... and " + counted(campaign.signatures.size() - kMostSignatures, "signature") +
           " more\n";
  return out;
}

// A column for each axis, as wide as its values are.
struct Column {
  std::string name;
  std::size_t width;
};
std::vector<Column> columns_of(const std::vector<const CampaignCell*>& shown) {
  constexpr std::size_t kWidest = 48;
  std::vector<Column> out;
  for (const CampaignCell* cell : shown)
    for (std::size_t i = 0; i < cell->axes.size(); ++i) {
      const auto& [key, value] = cell->axes[i];
      if (out.size() <= i) out.push_back({one_line(key, 20), 0});
      out[i].width = std::min(kWidest, std::max({out[i].width, out[i].name.size(), value.size()}));
    }
  return out;
}

std::string fitting(std::string_view value, std::size_t width) {
  const std::string whole = one_line(value, width);
  return whole.size() <= width || width < 4 ? whole : one_line(value, width - 3);
}

std::string cells(const CampaignRecord& campaign, bool color) {
  std::vector<const CampaignCell*> order;
  for (const CampaignCell& cell : campaign.cells) order.push_back(&cell);
  std::ranges::stable_sort(order, {}, [](const CampaignCell* cell) { return urgency(*cell); });
  const std::vector<const CampaignCell*> shown(
      order.begin(),
      order.begin() + static_cast<std::ptrdiff_t>(std::min(kMostCells, order.size())));
  const std::vector<Column> columns = columns_of(shown);
  std::string head;
  for (const Column& column : columns) head += padded(column.name, column.width + 2);
  head += padded("pass/fail/?", 14) + padded("fails between", 20) + "state";
  std::string out = "\n" + inked(head, Ink::dim, color) + "\n";
  for (const CampaignCell* cell : shown) {
    for (std::size_t i = 0; i < cell->axes.size(); ++i)
      out += padded(fitting(cell->axes[i].second, columns[i].width), columns[i].width + 2);
    out += padded(std::to_string(cell->pass) + "/" + std::to_string(cell->fail) + "/" +
                      std::to_string(cell->inconclusive),
                  14) +
           padded(cell->pass + cell->fail > 0 ? rate_text(cell->rate) : "", 20) +
           inked(std::string(name(cell->standing)), ink_of(cell->standing), color) + "\n";
  }
  if (order.size() > shown.size()) out += rest_of(order, shown.size()) + "\n";
  return out;
}

// What the workloads counted: what moved, and where nothing did, as much as fits.
std::string numbers(const CampaignRecord& campaign, bool color) {
  std::vector<std::pair<const CampaignCell*, const NumberRange*>> all;
  for (const CampaignCell& cell : campaign.cells)
    for (const NumberRange& one : cell.numbers) all.emplace_back(&cell, &one);
  if (all.empty()) return {};
  std::ranges::stable_sort(all, {}, [](const auto& one) { return one.second->moved.empty(); });
  const std::size_t shown = std::min(kMostNumbers, all.size());
  std::string head = "Numbers (medians)";
  if (shown < all.size())
    head += ", " + std::to_string(shown) + " of " + std::to_string(all.size()) +
            "; all are in --format html and json";
  std::string out = "\n" + inked(head, Ink::dim, color) + "\n";
  for (const auto& [cell, number] : std::span(all).first(shown)) {
    std::string name;
    for (const auto& [key, value] : cell->axes) name += value + " ";
    const std::string text = one_line(name, 100) + " " + one_line(to_text(*number), 160);
    out += "  " + (number->moved.empty() ? text : inked(text, Ink::unsure, color)) + "\n";
  }
  return out;
}

}  // namespace

std::string campaign_text(const CampaignRecord& campaign, const TextOptions& options) {
  const bool color = options.color;
  const Totals totals = totals_of(campaign);
  std::string out = inked(headline(campaign),
                          totals.fresh + totals.worse + totals.unsaid > 0 ? Ink::bad
                          : totals.fail > 0                               ? Ink::unsure
                                                                          : Ink::good,
                          color) +
                    "\n";
  add_field(out, "campaign",
            one_line(campaign.name, 60) + ", night " + one_line(campaign.id, 60) +
                (campaign.state == RunState::running       ? ", goes on"
                 : campaign.state == RunState::interrupted ? ", interrupted"
                                                           : ""),
            color);
  add_field(out, "trials",
            std::to_string(totals.pass) + " pass, " + std::to_string(totals.fail) + " fail, " +
                std::to_string(totals.inconclusive) + " inconclusive, in " +
                counted(campaign.cells.size(), "cell"),
            color);
  add_field(out, "time", budget_text(campaign.budget), color);
  for (std::size_t i = 0; i < std::min(kMostLost, campaign.lost.size()); ++i)
    add_field(out, "lost", one_line(campaign.lost[i], 110), color);
  if (campaign.lost.size() > kMostLost)
    add_field(out, "lost", counted(campaign.lost.size() - kMostLost, "job") + " more", color);
  out += signatures(campaign, color);
  out += cells(campaign, color) + numbers(campaign, color);
  if (campaign.tests.empty()) return out;
  out += "\n" + inked("intervals hold at " + confidence_text(campaign), Ink::dim, color) + "\n";
  for (const std::string& test : campaign.tests)
    out += inked(one_line(test, 200), Ink::dim, color) + "\n";
  return out;
}

}  // namespace ktrial::results
