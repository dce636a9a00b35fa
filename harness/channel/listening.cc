#include "harness/channel/listening.h"

#include <charconv>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::channel {

bool listens_in(std::string_view sockets, std::string_view path) {
  constexpr unsigned kAccepts = 1u << 16;  // __SO_ACCEPTCON, include/linux/net.h
  for (std::string_view line : split(sockets, '\n')) {
    // "Num: RefCount Protocol Flags Type St Inode Path", the numbers in hexadecimal.
    if (!line.ends_with(path) || line.size() <= path.size() ||
        line[line.size() - path.size() - 1] != ' ')
      continue;
    const auto words = split(line, ' ');
    unsigned flags = 0;
    if (words.size() < 4) continue;
    std::from_chars(words[3].data(), words[3].data() + words[3].size(), flags, 16);
    if ((flags & kAccepts) != 0) return true;
  }
  return false;
}

bool listens(const std::filesystem::path& path) {
  constexpr std::size_t kMost = 64u << 20;  // bytes
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  const auto sockets = read_file("/proc/net/unix", kMost);
  return !sockets || listens_in(*sockets, path.string());
}

}  // namespace ktrial::channel
