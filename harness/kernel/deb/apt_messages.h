// What apt-get says on stderr, in the C locale, as what a person needs to know. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ktrial::kernel {

// Whether apt's messages say that no connection could be made, as opposed to a
// server that refused something.
bool mirror_unreachable(std::string_view apt_messages);

// apt's errors, else its first complaint about something that could not be fetched.
std::string apt_errors(std::string_view apt_messages);

// The suites that `apt-get update` leaves out, each with the reason in brackets:
// "sid (expired 23d 1h ago)". It goes on with the others.
std::vector<std::string> suites_passed_over(std::string_view apt_messages);

}  // namespace ktrial::kernel
