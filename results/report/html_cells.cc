// The matrix as a heat map, and the strip of every trial.
#include <algorithm>
#include <cmath>
#include <map>

#include "harness/base/text.h"
#include "results/report/html_parts.h"
#include "results/report/text.h"

namespace ktrial::results::html {
namespace {

struct Axis {
  std::string name;
  std::vector<std::string> values;  // in the order in which cells have them
  std::size_t width() const {
    std::size_t out = 0;
    for (const std::string& value : values) out += std::min<std::size_t>(60, value.size());
    return out;
  }
};

std::vector<Axis> axes_of(const CampaignRecord& campaign) {
  std::vector<Axis> out;
  for (const CampaignCell& cell : campaign.cells)
    for (const auto& [key, value] : cell.axes) {
      auto axis = std::ranges::find(out, key, &Axis::name);
      if (axis == out.end()) axis = out.insert(out.end(), {key, {}});
      if (std::ranges::find(axis->values, value) == axis->values.end())
        axis->values.push_back(value);
    }
  return out;
}

// How the matrix is laid out: one axis across, the first of the others as groups, the rest as rows.
struct Layout {
  std::string across, group, constant;
  std::vector<std::string> columns;
  std::vector<std::string> rows;  // axes
};
Layout layout_of(const CampaignRecord& campaign) {
  Layout out;
  std::vector<Axis> varying;
  for (const Axis& axis : axes_of(campaign)) {
    if (axis.values.size() > 1)
      varying.push_back(axis);
    else
      out.constant += (out.constant.empty() ? "" : ", ") + one_line(axis.name, 40) + " " +
                      one_line(axis.values.front(), 120);
  }
  if (varying.empty()) return out;
  // The narrowest goes across: the page shall fit a telephone.
  const auto across = std::ranges::min_element(varying, {}, &Axis::width);
  out.across = across->name;
  out.columns = across->values;
  varying.erase(across);
  if (varying.size() > 1) {
    out.group = varying.front().name;
    varying.erase(varying.begin());
  }
  for (const Axis& axis : varying) out.rows.push_back(axis.name);
  return out;
}

std::string counts_of(const CampaignCell& cell) {
  std::string out =
      std::to_string(cell.fail) + " of " + std::to_string(cell.pass + cell.fail) + " failed";
  if (cell.inconclusive > 0) out += ", " + std::to_string(cell.inconclusive) + " not judged";
  return out;
}

bool is_open(const RateInterval& rate) { return rate.low <= 0 && rate.high >= 1; }

// A pass says "less than"; a failure has two ends.
std::string short_rate(const CampaignCell& cell) {
  if (is_open(cell.rate)) return {};
  return cell.fail == 0 ? "< " + percent(cell.rate.high)
                        : percent(cell.rate.low) + "–" + percent(cell.rate.high);
}

object heat_cell(const CampaignCell& cell, std::size_t number) {
  const int judged = cell.pass + cell.fail;
  return {{"there", data(true)},
          {"id", cell_id(number)},
          {"c", cell.trials() == 0 ? std::string("hn")
                : judged == 0      ? std::string("hu")
                                   : heat(double(cell.fail) / judged)},
          {"text", cell.trials() == 0 ? std::string("no trial")
                                      : std::to_string(cell.fail) + "/" + std::to_string(judged)},
          {"rate", short_rate(cell)},
          {"standing", cell.standing == Standing::clean ? none() : some(badge(cell.standing))},
          {"tip", axes_text(cell) + ": " + counts_of(cell)}};
}

// Runs of the trials in order: "ID*3 ID2".
std::string runs_of(const CampaignCell& cell) {
  std::string out;
  for (std::size_t i = 0; i < cell.strip.size();) {
    std::size_t end = i;
    while (end < cell.strip.size() && cell.strip[end].run == cell.strip[i].run) ++end;
    std::string id = one_line(cell.strip[i].run, 60);
    std::ranges::replace(id, ' ', '_');
    std::ranges::replace(id, '*', '_');
    out += (out.empty() ? "" : " ") + id;
    if (end - i > 1) out += "*" + std::to_string(end - i);
    i = end;
  }
  return out;
}

std::string tenths(const CampaignCell& cell, double CellTrial::* seconds) {
  std::string out;
  for (const CellTrial& one : cell.strip) {
    const double value = one.*seconds;
    if (!out.empty()) out += ' ';
    out += std::to_string(value > 0 && value < 1e7 ? std::lround(10 * value) : 0);
  }
  return out;
}

list trials_of(const CampaignCell& cell, const CampaignRecord& campaign) {
  static const data yes(true), no(false);
  list out;
  for (const CellTrial& one : cell.strip) {
    object mark = {{"pass", one.outcome == Outcome::pass ? yes : no},
                   {"odd", one.outcome == Outcome::inconclusive ? yes : no}};
    if (one.outcome == Outcome::fail) {
      const bool named = one.signature && *one.signature < campaign.signatures.size();
      const std::size_t signature = named ? *one.signature : 0;
      mark["fail"] = data(true);
      mark["c"] = named ? signature_colour(signature) : std::string("f0");
      mark["id"] = named ? signature_id(signature) : std::string("look");
      mark["tip"] =
          named ? one_line(title_of(campaign.signatures[signature]), 60) : std::string("failed");
    } else {
      mark["fail"] = data(false);
    }
    out.push_back(std::move(mark));
  }
  return out;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

data matrix_of(const CampaignRecord& campaign) {
  if (campaign.cells.size() < 2) return none();
  const Layout layout = layout_of(campaign);
  const auto value = [](const CampaignCell& cell, const std::string& axis) {
    return axis.empty() ? std::string() : fact(cell.axes, axis);
  };
  const auto row_name = [&](const CampaignCell& cell) {
    std::string out;
    for (const std::string& axis : layout.rows)
      out += (out.empty() ? "" : " · ") + one_line(value(cell, axis), 120);
    return out;
  };
  // Groups and rows in the order in which cells come; of two cells at one place the last is shown.
  using Row = std::pair<std::string, std::map<std::string, std::size_t>>;
  std::vector<std::pair<std::string, std::vector<Row>>> groups;
  for (std::size_t i = 0; i < campaign.cells.size(); ++i) {
    const CampaignCell& cell = campaign.cells[i];
    const std::string group = value(cell, layout.group), name = row_name(cell);
    auto at = std::ranges::find(groups, group, &std::pair<std::string, std::vector<Row>>::first);
    if (at == groups.end()) at = groups.insert(groups.end(), {group, {}});
    auto row = std::ranges::find(at->second, name, &Row::first);
    if (row == at->second.end()) row = at->second.insert(at->second.end(), {name, {}});
    row->second[value(cell, layout.across)] = i;
  }
  list columns, group_list;
  for (const std::string& column : layout.columns)
    columns.push_back(one_line(layout.across, 40) + " " + one_line(column, 60));
  for (const auto& [name, rows] : groups) {
    list row_list;
    for (const auto& [row, at] : rows) {
      list cells;
      for (const std::string& column : layout.columns) {
        const auto cell = at.find(column);
        if (cell == at.end())
          cells.push_back(object{{"there", data(false)}});
        else
          cells.push_back(heat_cell(campaign.cells[cell->second], cell->second));
      }
      row_list.push_back(object{{"name", row}, {"cells", std::move(cells)}});
    }
    group_list.push_back(
        object{{"name", some(one_line(name, 160))}, {"rows", std::move(row_list)}});
  }
  std::string corner;
  for (const std::string& axis : layout.rows)
    corner += (corner.empty() ? "" : " · ") + one_line(axis, 40);
  return object{
      {"note", layout.constant.empty() ? std::string() : "Everywhere: " + layout.constant},
      {"corner", corner},
      {"columns", std::move(columns)},
      {"groups", std::move(group_list)}};
}

list strips_of(const CampaignRecord& campaign) {
  std::vector<std::size_t> order(campaign.cells.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return urgency(campaign.cells[i]); });
  list out;
  for (const std::size_t i : order) {
    const CampaignCell& cell = campaign.cells[i];
    list axes;
    for (const auto& [key, value] : cell.axes)
      axes.push_back(object{{"k", one_line(key, 40)}, {"v", one_line(value, 120)}});
    std::string counts = counts_of(cell);
    if (const std::string rate = short_rate(cell); !rate.empty()) counts += ", rate " + rate;
    list numbers;
    for (const NumberRange& number : cell.numbers)
      numbers.push_back(
          object{{"text", one_line(to_text(number), 200)}, {"moved", data(!number.moved.empty())}});
    out.push_back(object{
        {"id", cell_id(i)},
        {"has_numbers", data(!cell.numbers.empty())},
        {"numbers", std::move(numbers)},
        {"search", lower(axes_text(cell) + " " + std::string(name(cell.standing)))},
        {"standing", some(badge(cell.standing))},
        {"tone", tone_of(cell.standing)},
        {"axes", std::move(axes)},
        {"counts", counts},
        {"why",
         some(one_line(cell.fail > 0 || cell.standing != Standing::clean ? cell.why : cell.goal))},
        {"runs", runs_of(cell)},
        {"durations", tenths(cell, &CellTrial::duration_s)},
        {"boots", tenths(cell, &CellTrial::boot_s)},
        {"trials", trials_of(cell, campaign)}});
  }
  return out;
}

}  // namespace ktrial::results::html
