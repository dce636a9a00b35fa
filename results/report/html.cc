#include "results/report/html.h"

#include <algorithm>
#include <map>

#include "harness/base/text.h"
#include "results/report/html_parts.h"
#include "results/report/templates.h"
#include "results/report/text.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace html {

data none() { return data(false); }
data some(const std::string& text) { return text.empty() ? none() : data(text); }

const char* tone_of(Standing standing) {
  switch (standing) {
    case Standing::fresh:
    case Standing::worse:
      return "bad";
    case Standing::better:
    case Standing::gone:
    case Standing::clean:
      return "good";
    default:
      return "unsure";
  }
}

std::string badge(Standing standing) {
  return standing == Standing::unknown ? "" : std::string(name(standing));
}
std::string cell_id(std::size_t cell) { return "c" + std::to_string(cell); }
std::string signature_id(std::size_t signature) { return "s" + std::to_string(signature); }
std::string signature_colour(std::size_t signature) {
  return "f" + std::to_string(std::min<std::size_t>(signature, 5));
}

list whole_bar(std::size_t pass, std::size_t fail, std::size_t odd) {
  const double all = static_cast<double>(std::max<std::size_t>(1, pass + fail + odd));
  list out;
  double x = 0;
  const auto add = [&](const char* colour, std::size_t n) {
    if (n == 0) return;
    const double width = 1000 * static_cast<double>(n) / all;
    out.push_back(object{{"c", colour}, {"x", fixed(x, 1)}, {"w", fixed(width, 1)}});
    x += width;
  };
  add("f", fail);
  add("u", odd);
  add("p", pass);
  return out;
}

std::string heat(double rate) {
  if (rate <= 0) return "h0";
  static constexpr double kSteps[] = {0.01, 0.03, 0.1, 0.25, 0.5};
  std::size_t step = 1;
  for (const double limit : kSteps) step += rate > limit ? 1 : 0;
  return "h" + std::to_string(step);
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t at) {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0u;
    };
    const unsigned three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (std::size_t digit = 0; digit < 4; ++digit)
      out += i + digit > bytes.size() ? '=' : kDigits[three >> (18 - 6 * digit) & 63];
  }
  return out;
}

std::string page(const std::string& body, object content) {
  const auto binary = [](const std::string& hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      out += static_cast<char>(to_number<int>(std::string_view(hex).substr(i, 2), 16).value_or(0));
    return out;
  };
  const Templates& all = templates();
  content["head"] = mustache::partial([&all] { return all.head; });
  content["style"] = all.style;
  content["script"] = all.script;
  content["style_hash"] = base64(binary(all.style_sha256));
  content["script_hash"] = base64(binary(all.script_sha256));
  content["version"] = std::string(ktrial_version());
  mustache::mustache shape(body);
  return shape.render(content);
}

namespace {

const char* tone_of(const Totals& totals) {
  if (totals.fresh + totals.worse + totals.expired + totals.unsaid > 0) return "bad";
  return totals.fail > 0 || totals.pass == 0 ? "unsure" : "good";
}

object tile(const char* label, const std::string& value, const std::string& note = {},
            const char* tone = "") {
  return {{"label", label}, {"value", value}, {"note", some(note)}, {"tone", tone}};
}

list tiles_of(const CampaignRecord& campaign, const Totals& totals) {
  list out;
  out.push_back(tile("trials", std::to_string(totals.trials()),
                     "in " + counted(campaign.cells.size(), "cell")));
  out.push_back(tile("pass", std::to_string(totals.pass), "", "good"));
  out.push_back(tile("fail", std::to_string(totals.fail), "", totals.fail > 0 ? "bad" : ""));
  out.push_back(tile("not judged", std::to_string(totals.inconclusive),
                     "the host, QEMU or the workload", totals.inconclusive > 0 ? "unsure" : ""));
  if (!campaign.nights.empty())
    out.push_back(
        tile("new", std::to_string(totals.fresh), "signatures", totals.fresh > 0 ? "bad" : ""));
  const CampaignBudget& budget = campaign.budget;
  if (budget.used_s > 0)
    out.push_back(tile("time", spoken_seconds(budget.used_s),
                       budget.asked_s > 0 ? "of " + spoken_seconds(budget.asked_s) : ""));
  if (budget.possible_vm_s > 0)
    out.push_back(tile("CPUs at work", percent(budget.vm_s / budget.possible_vm_s),
                       "of the host's, by machines"));
  return out;
}

bool is_web_link(std::string_view text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

list signatures_of(const CampaignRecord& campaign) {
  list out;
  for (std::size_t i = 0; i < campaign.signatures.size(); ++i) {
    const CampaignSignature& one = campaign.signatures[i];
    object row = {{"id", signature_id(i)},
                  {"c", signature_colour(i)},
                  {"standing", some(badge(one.standing))},
                  {"tone", html::tone_of(one.standing)},
                  {"title", title_of(one)},
                  {"seen", seen_text(one)},
                  {"common", some(one_line(one.common))},
                  {"why", some(one_line(one.why))}};
    CampaignSignature known = one;
    const bool link = known.known && is_web_link(known.known->link);
    row["link"] = link ? data(one_line(known.known->link, 400)) : none();
    if (link) known.known->link.clear();
    row["known"] = some(known_text(known));
    row["expired"] = data(one.known && one.known->expired);
    out.push_back(std::move(row));
  }
  return out;
}

std::string state_note(const CampaignRecord& campaign) {
  if (campaign.state == RunState::running) return "It goes on: this is what there is so far.";
  return campaign.state == RunState::interrupted ? "It was interrupted: not all was run." : "";
}

std::string tests_of(const CampaignRecord& campaign) {
  if (campaign.tests.empty()) return {};
  std::string out = "Intervals hold at " + confidence_text(campaign);
  for (const std::string& test : campaign.tests) out += "; " + one_line(test);
  return out + ".";
}

list lines(const std::vector<std::string>& texts, std::size_t most) {
  list out;
  for (std::size_t i = 0; i < std::min(most, texts.size()); ++i) out.push_back(one_line(texts[i]));
  if (texts.size() > most) out.push_back("... " + std::to_string(texts.size() - most) + " more");
  return out;
}

std::string over_of(const CampaignRecord& campaign) {
  std::string out;
  for (const std::string& part :
       {one_line(campaign.name, 80), one_line(campaign.id, 80),
        campaign.started_at == TimePoint{} ? std::string() : to_text(campaign.started_at)})
    if (!part.empty()) out += (out.empty() ? "" : " · ") + part;
  return out;
}

}  // namespace
}  // namespace html

std::string night_page_name(const std::string& night) {
  std::string out;
  for (const char c : night.substr(0, 100)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || (c == '.' && !out.empty());
    out += plain ? c : '_';
  }
  return (out.empty() ? "night" : out) + ".html";
}

std::string campaign_html(const CampaignRecord& campaign, const CampaignEvidence& evidence) {
  using namespace html;
  const Totals totals = totals_of(campaign);
  object content;
  content["over"] = over_of(campaign);
  content["headline"] = headline(campaign);
  content["title"] = headline(campaign) + " – " +
                     one_line(campaign.name.empty() ? campaign.id : campaign.name, 80);
  content["tone"] = tone_of(totals);
  content["state_note"] = some(state_note(campaign));
  content["whole"] = whole_bar(totals.pass, totals.fail, totals.inconclusive);
  content["whole_text"] = std::to_string(totals.pass) + " pass, " + std::to_string(totals.fail) +
                          " fail, " + std::to_string(totals.inconclusive) + " not judged";
  content["tiles"] = tiles_of(campaign, totals);
  content["signatures"] = signatures_of(campaign);
  content["has_lost"] = data(!campaign.lost.empty());
  content["lost"] = lines(campaign.lost, 20);
  content["matrix"] = matrix_of(campaign);
  content["strips"] = strips_of(campaign);
  content["trend"] = trend_of(campaign);
  content["charts"] = charts_of(campaign);
  content["has_failures"] = data(!campaign.signatures.empty());
  content["failures"] = failures_of(campaign, evidence);
  content["tests"] = tests_of(campaign);
  content["index"] = campaign.nights.empty() ? none() : data("index.html");
  list sections;
  const auto section = [&](const char* id, const char* name, bool there) {
    if (there) sections.push_back(object{{"id", id}, {"name", name}});
  };
  section("look", "Look at first", true);
  section("matrix", "Matrix", campaign.cells.size() > 1);
  section("strips", "Every trial", true);
  section("trend", "Over the nights", !content["trend"].is_false());
  section("times", "Times", true);
  section("failures", "Failures", !campaign.signatures.empty());
  content["sections"] = sections;
  return page(templates().night, std::move(content));
}

std::string campaign_index_html(const CampaignRecord& latest) {
  using namespace html;
  object content;
  content["over"] = one_line(latest.name, 80);
  content["headline"] = counted(latest.nights.size(), "night");
  content["title"] = one_line(latest.name, 80) + ": " + counted(latest.nights.size(), "night");
  list nights, heads, signatures;
  for (auto night = latest.nights.rbegin(); night != latest.nights.rend(); ++night) {
    const auto pass = static_cast<std::size_t>(std::max(0, night->pass)),
               fail = static_cast<std::size_t>(std::max(0, night->fail)),
               odd = static_cast<std::size_t>(std::max(0, night->inconclusive));
    nights.push_back(
        object{{"href", night_page_name(night->id)},
               {"when", to_text(night->started_at).substr(0, 10)},
               {"trials", std::to_string(pass + fail + odd)},
               {"fail", std::to_string(fail)},
               {"odd", std::to_string(odd)},
               {"fresh", night->fresh_signatures > 0 ? data(std::to_string(night->fresh_signatures))
                                                     : none()},
               {"text", std::to_string(pass) + " pass, " + std::to_string(fail) + " fail"},
               {"whole", whole_bar(pass, fail, odd)}});
  }
  constexpr std::size_t kMostNights = 31;
  const std::size_t from = latest.nights.size() - std::min(kMostNights, latest.nights.size());
  for (std::size_t i = from; i < latest.nights.size(); ++i)
    heads.push_back(to_text(latest.nights[i].started_at).substr(5, 5));
  for (std::size_t s = 0; s < latest.signatures.size(); ++s) {
    const CampaignSignature& one = latest.signatures[s];
    list cells;
    for (std::size_t i = from; i < latest.nights.size(); ++i) {
      const NightSummary& night = latest.nights[i];
      const int n = i < one.nights.size() ? one.nights[i] : 0;
      const double judged = std::max(1, night.pass + night.fail);
      cells.push_back(object{{"n", std::to_string(n)},
                             {"c", heat(10 * n / judged)},
                             {"href", night_page_name(night.id)}});
    }
    signatures.push_back(object{{"standing", some(badge(one.standing))},
                                {"tone", html::tone_of(one.standing)},
                                {"title", title_of(one)},
                                {"href", night_page_name(latest.id) + "#" + signature_id(s)},
                                {"cells", std::move(cells)}});
  }
  content["nights"] = nights;
  content["heads"] = heads;
  content["has_signatures"] = data(!latest.signatures.empty() && !latest.nights.empty());
  content["signatures"] = signatures;
  return page(templates().index, std::move(content));
}

}  // namespace ktrial::results
