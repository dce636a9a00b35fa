// libvirt's ssh transport (https://libvirt.org/uri.html#ssh-transport): libvirt runs the host's
// ssh program, whose questions nobody answers, and reports what that wrote to stderr. Pure.
#pragma once

#include <string>
#include <string_view>

namespace ktrial::vm {

// qemu+ssh://[USER@]HOST[:PORT]/...
bool is_over_ssh(std::string_view uri);

// The same URI with no_tty=1, if it goes over ssh and says nothing of no_tty: ssh then asks for no
// password, passphrase or host key on the terminal. It fails, and says what it would have asked.
std::string without_questions(const std::string& uri);

// Whether ssh would ask nothing there.
bool asks_nothing(std::string_view uri);

// What a person can run to see ssh fail, or work: "ssh -o BatchMode=yes -p 22 lab1 true".
std::string ssh_command(std::string_view uri);

// libvirt's message about a connection over ssh in one line: of a long one (ssh's banners) the
// last.
std::string in_one_line(std::string_view message);

// What to do next about `message`; never empty.
std::string ssh_hint(std::string_view uri, std::string_view message);

}  // namespace ktrial::vm
