// campaign.json, both ways.
#include "harness/campaign/folder.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::campaign {
using results::Json;

std::string to_json(const NightFile& night) {
  Json cells = Json::array();
  for (const auto& [name, cell] : night.seen.cells) {
    Json signatures = Json::object();
    for (const auto& [signature, count] : cell.signatures) signatures[signature] = count;
    cells.push_back({{"cell", name},
                     {"pass", cell.pass},
                     {"fail", cell.fail},
                     {"inconclusive", cell.inconclusive},
                     {"seconds", cell.seconds},
                     {"signatures", std::move(signatures)},
                     {"numbers", cell.numbers}});
  }
  Json about = Json::array();
  for (const auto& [signature, one] : night.signatures)
    about.push_back({{"signature", signature},
                     {"title", one.title},
                     {"kind", one.kind.name()},
                     {"culprit", one.culprit},
                     {"run", one.run},
                     {"trial", one.index}});
  Json out{{"campaign", night.name},
           {"night", night.seen.id},
           {"state", name(night.state)},
           {"started_at", results::to_text(night.seen.started_at)},
           {"finished_at", night.finished_at ? Json(results::to_text(*night.finished_at)) : Json()},
           {"used_s", night.used_s},
           {"left_s", night.left_s ? Json(*night.left_s) : Json()},
           {"running", results::strings(night.running)},
           {"new", night.fresh_signatures},
           {"cells", std::move(cells)},
           {"signatures", std::move(about)}};
  return results::dump(results::document(std::move(out)));
}

Result<NightFile> night_from_json(std::string_view text, std::string_view file) {
  const auto json = results::parse_json(text);
  if (!json || !json->is_object() || results::text_of(*json, "night").empty())
    return fail(ErrorKind::environment, std::string(file) + " is not a campaign's record");
  NightFile out;
  out.name = results::text_of(*json, "campaign");
  out.seen.id = results::text_of(*json, "night");
  out.state = results::parse_run_state(results::text_of(*json, "state"))
                  .value_or(results::RunState::interrupted);
  out.seen.started_at =
      results::time_from_text(results::text_of(*json, "started_at")).value_or(out.seen.started_at);
  out.finished_at = results::time_from_text(results::text_of(*json, "finished_at"));
  out.used_s = results::number_of(*json, "used_s");
  if (json->contains("left_s") && (*json)["left_s"].is_number())
    out.left_s = results::number_of(*json, "left_s");
  out.running = results::strings_of(*json, "running");
  out.fresh_signatures = results::int_of(*json, "new");
  results::each_object(*json, "cells", [&](const Json& item) {
    SeenCell cell{results::int_of(item, "pass"),         results::int_of(item, "fail"),
                  results::int_of(item, "inconclusive"), {},
                  results::number_of(item, "seconds"),   {}};
    if (const Json* signatures = results::object_in(item, "signatures"))
      for (const auto& [signature, count] : signatures->items())
        if (count.is_number_integer()) cell.signatures[signature] = count.get<int>();
    if (const Json* numbers = results::object_in(item, "numbers"))
      for (const auto& [number, values] : numbers->items())
        for (const Json& value : values)
          if (value.is_number_unsigned())
            cell.numbers[number].push_back(value.get<std::uint64_t>());
    out.seen.cells[results::text_of(item, "cell")] = std::move(cell);
  });
  results::each_object(*json, "signatures", [&](const Json& item) {
    out.signatures[results::text_of(item, "signature")] = {
        results::text_of(item, "title"), results::text_of(item, "culprit"),
        results::text_of(item, "run"), results::RecordedKind::parse(results::text_of(item, "kind")),
        results::int_of(item, "trial")};
  });
  return out;
}

}  // namespace ktrial::campaign
