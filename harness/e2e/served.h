// Whether this host's files can be served to a guest: not without a server, and not by an ordinary
// user who may have no namespaces (in a chroot, say).
#pragma once

#include <unistd.h>

#include <filesystem>

#include "harness/root/file_server.h"

namespace ktrial::e2e {

inline Status can_serve(const std::filesystem::path& ktrial) {
  const bool is_root = ::geteuid() == 0;
  return root::try_out(
      {.program = KTRIAL_TRY(root::find_file_server(is_root)),
       .confine = ktrial.parent_path().parent_path() / "libexec/ktrial/ktrial-confine",
       .tree = "/",
       .host = true,
       .is_root = is_root});
}

}  // namespace ktrial::e2e
