// The text of an HTML page: of a mail archive, a bug tracker, a forum. Links that lead elsewhere
// and what scripts hold are left out. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "harness/mail/message.h"

namespace ktrial::mail {

// Adds the page's lines to `part`; `title` is its title or first heading. At most `room` bytes.
// Lines are numbered from `first_line`.
void read_page(std::string_view html, std::uint64_t first_line, std::size_t room, Part& part,
               std::string& title);

}  // namespace ktrial::mail
