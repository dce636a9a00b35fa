// Pieces of the text report. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

#include "results/record.h"

namespace ktrial::results {

enum class Ink { bold, dim, good, bad, unsure };
std::string inked(std::string_view text, Ink ink, bool color);
Ink ink_of(Outcome outcome);
// Padded with blanks to `width` columns (of ASCII or one-column characters).
std::string padded(std::string text, std::size_t width);
// At most `limit` bytes, cut at a character, "..." where cut.
std::string cut(std::string text, std::size_t limit);

// "lines 4-9, CPU 1, task a/7".
std::string where(const Finding& finding);

}  // namespace ktrial::results
