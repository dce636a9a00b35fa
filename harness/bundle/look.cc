#include "harness/bundle/look.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "harness/base/text.h"
#include "harness/bundle/when.h"
#include "harness/spec/parse.h"

namespace ktrial::bundle {
using introspect::SymbolTable;
using vm::Visit;

namespace {

Result<std::uint64_t> address_of(const PlaceName& place, const SymbolTable& symbols) {
  if (const auto number = spec::parse_number(place.symbol)) return *number + place.offset;
  if (const auto address = symbols.address(place.symbol)) return *address + place.offset;
  return usage_error("the kernel of this run has no symbol " + spec::in_quotes(place.symbol),
                     "a function may be inlined, or be named with a suffix (.isra.0, .cold)");
}

struct WatchName {
  std::string_view place;
  std::uint64_t bytes = 8;
};
Result<WatchName> parse_watch(std::string_view text) {
  WatchName out{.place = text};
  const auto colon = text.rfind(':');
  if (colon == text.npos) return out;
  out.place = text.substr(0, colon);
  const auto bytes = spec::parse_number(text.substr(colon + 1));
  if (!bytes || *bytes == 0)
    return usage_error("--watch: " + spec::in_quotes(text) + " is not PLACE[:BYTES]",
                       "as in jiffies:8 or task@153+task_struct.mm_cid.cid:4");
  out.bytes = *bytes;
  return out;
}

std::string task_of(const Visit& visit) {
  return visit.pid < 0 ? "?" : fmt::format("{}/{}", visit.comm, visit.pid);
}

}  // namespace

Result<PlaceName> parse_place(std::string_view text, std::uint64_t count) {
  PlaceName out{.count = count};
  const auto wrong = [&] {
    return usage_error(spec::in_quotes(text) + " is not SYMBOL[+OFFSET][:NUMBER]",
                       "as in mm_get_cid, mm_get_cid:3 or mm_get_cid+0x55:3");
  };
  if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    const auto number = spec::parse_number(text.substr(colon + 1));
    if (!number || *number == 0) return wrong();
    out.count = *number;
    text = text.substr(0, colon);
  }
  if (const auto plus = text.rfind('+'); plus != std::string_view::npos) {
    const auto number = spec::parse_number(text.substr(plus + 1));
    if (!number) return wrong();
    out.offset = *number;
    text = text.substr(0, plus);
  }
  if (text.empty()) return wrong();
  out.symbol = text;
  return out;
}

Status apply(const Look& look, const Map& map, std::uint64_t end, vm::Exact& exact) {
  exact.tasks = map.tasks;
  exact.coverage = look.coverage;
  if (look.before_end) {
    if (*look.before_end >= end)
      return usage_error(fmt::format("the run has {} instructions only", end));
    exact.hold_at = end - *look.before_end;
  } else if (const auto count = spec::parse_number(look.stop_at)) {
    if (*count == 0 || *count >= end)
      return usage_error(
          fmt::format("{} is no instruction of this run, which has {}", *count, end));
    exact.hold_at = count;
  } else if (!look.stop_at.empty()) {
    const PlaceName place = KTRIAL_TRY(parse_place(look.stop_at, 1));
    exact.places.push_back({KTRIAL_TRY(address_of(place, map.symbols)), place.count, false});
  }
  for (const std::string& function : look.trace) {
    const PlaceName place = KTRIAL_TRY(parse_place(function, 1));
    exact.places.push_back({KTRIAL_TRY(address_of(place, map.symbols)), 0, true});
  }
  if (!look.watch.empty()) {
    const WatchName watch = KTRIAL_TRY(parse_watch(look.watch));
    exact.watch =
        KTRIAL_TRY(resolve_place(watch.place, map, static_cast<unsigned>(map.per_cpu.size())));
    exact.watch_bytes = watch.bytes;
  }
  return {};
}

std::string text_of_calls(const std::vector<Visit>& visits, const SymbolTable& all) {
  std::string out;
  for (const Visit& visit : visits)
    if (visit.what == Visit::What::call)
      out += fmt::format("{:>14}  vCPU {}  {:<24} {}\n", visit.instructions, visit.cpu,
                         task_of(visit), all.describe(visit.address));
  return out;
}

std::string text_of_stores(const std::vector<Visit>& visits, const SymbolTable& all) {
  std::string out;
  for (const Visit& visit : visits)
    if (visit.what == Visit::What::store)
      out += fmt::format("{:>14}  vCPU {}  {:<24} {:#x} by {}\n", visit.instructions, visit.cpu,
                         task_of(visit), visit.target, all.describe(visit.address));
  return out;
}

std::string text_of_coverage(const std::vector<Visit>& visits, const SymbolTable& all) {
  struct Function {
    std::uint64_t first = 0;
    std::map<std::uint64_t, unsigned> blocks;  // by address: a block may be translated again
  };
  std::map<std::string, Function> functions;
  for (const Visit& visit : visits) {
    if (visit.what != Visit::What::block) continue;
    const std::string name = all.function(visit.address);
    if (name.empty()) continue;  // user space, or the firmware
    auto [at, fresh] = functions.try_emplace(name);
    if (fresh) at->second.first = visit.instructions;
    at->second.blocks.emplace(visit.address, visit.place);
  }
  std::vector<std::pair<std::string, Function>> order(functions.begin(), functions.end());
  std::ranges::stable_sort(order, {}, [](const auto& one) { return one.second.first; });
  std::string out;
  for (const auto& [name, function] : order)
    out += fmt::format("{:>14}  {:>4} blocks  {}\n", function.first, function.blocks.size(), name);
  return out;
}

}  // namespace ktrial::bundle
