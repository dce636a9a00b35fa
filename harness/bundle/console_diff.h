// Where two console logs part. Pure; the bytes come from guests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ktrial::bundle {

struct Parting {
  std::uint64_t line_a = 0, line_b = 0;  // from 1; one more than there are: the log has ended
  std::string a, b;                      // the lines as they are, at most 1 KiB; "" past the end
  bool operator==(const Parting&) const = default;
};

// The first line that differs after each was normalised; nothing: none does. Lines that are empty
// then count for nothing.
std::optional<Parting> first_difference(std::string_view a, std::string_view b);

// Without what changes from boot to boot of the same kernel: stamps, addresses, measured times and
// frequencies, escape sequences.
std::string normalised(std::string_view line);

}  // namespace ktrial::bundle
