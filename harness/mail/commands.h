// Whether a piece of text is a command that loads a machine, told from prose and from commands that
// build, read logs or send mails.
#pragma once

#include <string>
#include <string_view>

namespace ktrial::mail {

// A line that a shell would take, and that somebody may have run to see a failure.
bool looks_like_command(std::string_view text);
// The same, without prompt, `sudo` and quotes.
std::string bare_command(std::string_view text);
// A line of C programs' making: "gcc -O2 -o repro repro.c".
bool is_compile_command(std::string_view text);

}  // namespace ktrial::mail
