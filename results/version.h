#pragma once

#include <string_view>

namespace ktrial::results {

// What ktrial_version() of record.h is from now on: main() knows the commit that it was built of.
// Before anything is recorded; `version` lives as long as the program. Tests are of the project's
// version.
void set_ktrial_version(std::string_view version);

}  // namespace ktrial::results
