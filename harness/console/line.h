// One console line, cleaned and split from printk's prefix.
#pragma once

#include <string>
#include <string_view>

namespace ktrial::console {

inline constexpr std::size_t kMaxLine = 8192;  // bytes; the rest of a longer line is dropped

struct Line {
  std::string message;   // after the prefix; the whole line where there is none
  std::string context;   // "T123" or "C0" (CONFIG_PRINTK_CALLER), else empty
  bool stamped = false;  // had printk's "[%5lu.%06lu]"
};

// Drops ANSI sequences, CR, NUL and other controls, finds the last prefix
// `<n>[ s.us][caller] ` of the line (user output may stand before it: both
// write to the same wire), and takes what follows it.
Line clean_line(std::string_view raw);

}  // namespace ktrial::console
