// Finds the few lines of a log that can start a report or mark the environment, at memory speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ktrial::console {

// Byte sequences that only lines of interest hold: every head of oops_rules.cc and every pattern of
// environment.cc holds one of them. Control bytes count as well: they may hide one.
const std::vector<const char*>& candidate_patterns();
// A printk stamp: of interest until the first was seen.
inline constexpr const char* kStampPattern = "\\[ *[0-9]+\\.[0-9]{6}";

// Fills `out` with positions in ascending order, at least one inside each line of interest of
// `block` (at most 4 GiB). `stamps`: lines with a printk stamp are of interest too.
void find_candidates(std::string_view block, bool stamps, std::vector<std::uint32_t>& out);

// Does what the first call of it would have to do, from any thread.
void prepare_candidates();

std::uint64_t count_newlines(std::string_view text);

}  // namespace ktrial::console
