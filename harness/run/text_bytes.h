// Text of unknown encoding through JSON, which is UTF-8: nothing is lost on the way. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ktrial::run {

bool is_utf8(std::string_view text);
// Each byte as the character of that number, U+0000 to U+00FF, in UTF-8.
std::string latin1_to_utf8(std::string_view bytes);
// The other way round; nothing if it holds a character beyond U+00FF, or is no UTF-8.
std::optional<std::string> utf8_to_latin1(std::string_view text);

}  // namespace ktrial::run
