// What tools put in front of a kernel message: quotes, times, hosts, levels, numbers, in any order.
// A line is peeled word by word, so that a new tool's habit is a new order of known words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ktrial::console {

// Which words stood in front, in order; equal for lines that one tool wrapped. Zero: none.
using Shape = std::uint64_t;

struct Peeled {
  std::size_t body = 0;  // where the message starts
  Shape shape = 0;
  bool kernel = false;   // the words say that the kernel wrote this: "kernel:", "kern  :warn  :"
  bool others = false;   // they say that somebody else did: "daemon:info  :"
  bool noise = false;    // a field of a record that is no message
  bool escaped = false;  // by rsyslog: "#012" is a newline
  bool hex_escaped = false;  // by /dev/kmsg: "\x0a" is a newline
  char caller_type = 0;      // as in Line
  long caller = -1;
};

// `clean`: a line without control bytes. Stops at a printk stamp, which is the kernel's own.
// Sources of the formats: systemd's output_short() in logs-show.c, print_record() of util-linux's
// dmesg.c, msg_print_ext_header() in kernel/printk/printk.c, RFC 3164, RFC 5424.
Peeled peel(std::string_view clean);

// What some kernels and tools put between a stamp and the message: "kernel: ", "[2:  comm:  311] ".
std::size_t peel_after_stamp(std::string_view body);

std::string_view skip_blanks(std::string_view text);

// Without what closes a quote, a table's cell or a string of a list that `before` opened.
std::string_view without_closing(std::string_view text, std::string_view before);

// The shape of a line whose stamp is cut off at its start.
inline constexpr Shape kCutStamp = 'x';

// The form of a text: words, numbers and blanks of any length look alike.
std::string form_of(std::string_view text);
// Where a text of that form ends in `line`; npos when the line does not start with one.
std::size_t match_form(std::string_view form, std::string_view line);

}  // namespace ktrial::console
