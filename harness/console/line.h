// One console line: control bytes removed, the printk prefix found and split off.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::console {

// Longer lines are cut: no kernel report has one.
inline constexpr std::size_t kMaxLine = 16 * 1024;
inline constexpr std::size_t kMaxSegments = 16;

struct Line {
  std::uint64_t number = 0;  // 1-based
  std::string_view whole;    // cleaned
  std::string_view body;     // after the printk prefix; the whole line when it has none
  bool kernel = false;       // has a printk prefix
  // Who printed: 'T' and a thread id, or 'C' and a CPU; 0 where the kernel does not say.
  char caller_type = 0;
  long caller = -1;
};

// Who reads the messages of a stream, one after the other.
class LineReader {
 public:
  virtual void read(const Line& line) = 0;
  // Else only those that can start a report or mark the environment.
  virtual bool wants_every_line() const = 0;

 protected:
  ~LineReader() = default;
};

// Removes ANSI sequences, CR, NUL and other control bytes except tab.
void clean_line(std::string_view raw, std::string& out);

// Whether a printk stamp, "[  123.456789]", stands at `at`.
bool is_stamp(std::string_view text, std::size_t at);

// Whether one stands at the start, perhaps behind a level: "<6>[  123.456789]".
bool starts_with_stamp(std::string_view text);

// Splits a cleaned line at its printk prefixes: writers that do not wait for each other leave
// several messages, and user output, on one line. `clean` must outlive the result. Source of the
// format: print_syslog(), print_time() and print_caller() in kernel/printk/printk.c.
void parse_line(std::string_view clean, std::uint64_t number, std::vector<Line>& out);

}  // namespace ktrial::console
