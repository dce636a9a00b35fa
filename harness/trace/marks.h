// Marks as a file of their own (JSON), for who draws a trace again. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {

inline constexpr std::size_t kMostMarks = 1u << 18;  // in a file

std::string marks_to_json(const std::vector<Mark>& marks);
// What marks_to_json() wrote. The error (usage) says what is wrong with the text.
Result<std::vector<Mark>> marks_from_json(std::string_view text);

}  // namespace ktrial::trace
