// What the daemons of these tests have in common.
#pragma once

#include <filesystem>
#include <string>

#include "harness/base/result.h"

namespace ktrial::e2e {

// An executable file of `text`, which begins with "#!".
Status write_script(const std::filesystem::path& file, const std::string& text);

// For a child that is about to exec: it ends with the test, gets no Ctrl-C, reads nothing, and
// writes to `log`.
void become_daemon(const std::filesystem::path& log);

}  // namespace ktrial::e2e
