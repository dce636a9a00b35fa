// Who listens on this host.
#pragma once

#include <filesystem>
#include <string_view>

namespace ktrial::channel {

// Whether somebody listens on the UNIX socket at `path`. Its file appears earlier, at bind(2): who
// connects between the two is refused. True also where the kernel does not tell and the file is
// there.
bool listens(const std::filesystem::path& path);
// The same in the text of /proc/net/unix (net/unix/af_unix.c, unix_seq_show()).
bool listens_in(std::string_view sockets, std::string_view path);

}  // namespace ktrial::channel
