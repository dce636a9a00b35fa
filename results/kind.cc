#include "results/kind.h"

#include <algorithm>
#include <array>

namespace ktrial::results {
namespace {

constexpr std::array kNames = {std::string_view(),  // none
#define KTRIAL_NAME(name) std::string_view(#name),
                               KTRIAL_KINDS(KTRIAL_NAME)
#undef KTRIAL_NAME
};

}  // namespace

std::string_view name(Kind kind) {
  return kind == Kind::foreign ? "foreign" : kNames[static_cast<std::size_t>(kind)];
}

std::optional<Kind> kind_named(std::string_view name) {
  const auto it = std::ranges::find(kNames, name);
  if (it == kNames.end()) return std::nullopt;
  return static_cast<Kind>(it - kNames.begin());
}

RecordedKind RecordedKind::parse(std::string_view name) {
  if (const auto kind = kind_named(name)) return *kind;
  RecordedKind out(Kind::foreign);
  out.foreign_ = name;
  return out;
}

}  // namespace ktrial::results
