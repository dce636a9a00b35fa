#include "harness/console/infrastructure.h"

#include <unordered_map>

namespace ktrial::console {
namespace {

struct Group {
  std::string_view classes;
  std::string_view names;  // each ends with a space
};
// Not constexpr: clang allows fewer steps than its names take.
const Group kGroups[] = {
#include "harness/console/infrastructure.inc"
};

unsigned bits_of(std::string_view classes) {
  unsigned bits = 0;
  for (const char c : classes)
    bits |= c == 'r'   ? kHelper
            : c == 's' ? kStall
            : c == 'h' ? kWait
            : c == 't' ? kTrap
                       : kAllocator;
  return bits;
}

const std::unordered_map<std::string_view, unsigned>& table() {
  static const auto& all = *[] {
    auto* out = new std::unordered_map<std::string_view, unsigned>;
    out->reserve(32768);
    for (const Group& group : kGroups) {
      const unsigned bits = bits_of(group.classes);
      for (std::string_view rest = group.names; !rest.empty();) {
        const auto space = rest.find(' ');
        out->emplace(rest.substr(0, space), bits);
        rest.remove_prefix(space + 1);
      }
    }
    return out;
  }();
  return all;
}

}  // namespace

unsigned infrastructure_of(std::string_view symbol) {
  symbol.remove_prefix(std::min(symbol.find_first_not_of('_'), symbol.size()));
  if (symbol.ends_with("_noprof")) symbol.remove_suffix(7);
  const auto found = table().find(symbol);
  return found == table().end() ? 0 : found->second;
}

}  // namespace ktrial::console
