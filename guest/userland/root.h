// The root that a command sees: mounted, made writable, entered. In a mount namespace of its own;
// PID 1 stays in the initramfs.
#pragma once

#include <string>

#include "guest/userland/options.h"

namespace ktrial::userland {

// Enters it. Returns what is wrong, empty if nothing; `notes` are for the user.
std::string enter_root(const Options& options, std::string& notes);
// Shows options.output as /run/output below `root` ("" or a folder). Returns what is wrong.
std::string show_output(const Options& options, const std::string& root);

}  // namespace ktrial::userland
