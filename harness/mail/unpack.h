// Compressed text in memory (gzip, xz, zstd, bzip2). Pure, bounded.
#pragma once

#include <string>
#include <string_view>

namespace ktrial::mail {

bool is_compressed(std::string_view bytes);

struct Unpacked {
  std::string bytes;  // at most `limit`
  bool cut = false;   // there was more, or the data are damaged from there on
};
Unpacked unpack(std::string_view bytes, std::size_t limit);

}  // namespace ktrial::mail
