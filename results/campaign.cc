#include "results/campaign.h"

#include <algorithm>
#include <array>

namespace ktrial::results {
namespace {
constexpr std::array<std::string_view, 8> kStandings = {"new",    "known", "flaky", "worse",
                                                        "better", "gone",  "clean", "unknown"};
}  // namespace

std::string_view name(Standing standing) { return kStandings[static_cast<std::size_t>(standing)]; }
std::optional<Standing> parse_standing(std::string_view text) {
  const auto it = std::ranges::find(kStandings, text);
  if (it == kStandings.end()) return std::nullopt;
  return static_cast<Standing>(it - kStandings.begin());
}

}  // namespace ktrial::results
