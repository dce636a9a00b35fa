#include "harness/reproduce/document.h"

#include <fmt/format.h>

#include "results/report/report.h"
#include "results/store/json.h"

namespace ktrial::reproduce {

using results::Json;

std::string plan_json(const mail::Understanding& understood) {
  Json facts = Json::array();
  for (const mail::Fact& fact : understood.facts) {
    Json one = {{"field", fact.field}, {"value", fact.value}, {"line", fact.line}};
    if (!fact.where.empty()) one["where"] = fact.where;
    facts.push_back(std::move(one));
  }
  return results::dump(results::document({{"understood", std::move(facts)}, {"notes", understood.notes}}));
}

std::string plan_text(const mail::Understanding& understood) {
  std::string out;
  for (const mail::Fact& fact : understood.facts)
    out += fmt::format("  {:<13} {}  (line {})\n", fact.field, results::printable(fact.value), fact.line);
  return out;
}

}  // namespace ktrial::reproduce
