// Undoes what web pages, editors and logging daemons do to the characters of a line. Pure, bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ktrial::console {

// UTF-16 to UTF-8, where a stream begins like UTF-16; a byte order mark is dropped.
class Utf16 {
 public:
  // Returns `bytes`, or their UTF-8 in a buffer that lasts until the next call. May hold back up to
  // three bytes.
  std::string_view decode(std::string_view bytes);
  std::string_view finish();  // what was held back

 private:
  void unit(unsigned value);
  void append(unsigned point);

  enum class Form { unknown, bytes, little, big } form_ = Form::unknown;
  std::string held_, out_;
  unsigned high_ = 0;  // half of a surrogate pair
};

// Where lines end in CR alone, as on an old Macintosh: in newlines. Decides at the first newline,
// or when there is none in much text.
class LineEnds {
 public:
  // As Utf16.
  std::string_view decode(std::string_view bytes);
  std::string_view finish();

 private:
  std::string_view release(bool replace);

  enum class Form { unknown, newline, carriage_return } form_ = Form::unknown;
  std::string held_, out_;
};

// HTML entities and tags (a <br> becomes a newline), blanks and quotes that are not ASCII's,
// Markdown's backslashes. Changes `text` only where there is something to undo.
void undo_markup(std::string& text);

// logcat takes the first word of a kernel message for a tag and pads it: "W CPU     : 2 PID: 7" ->
// "W : CPU: 2 PID: 7".
void undo_tag(std::string& text);

// rsyslog's "#012" (octal), or "\x0a" of /dev/kmsg -> the character; other control bytes are
// dropped.
std::string undo_octal(std::string_view text);
std::string undo_hex(std::string_view text);

// Of a line of JSON that holds a log message, or a field of such a record on a line of its own
// (journalctl -o json, json-pretty; dmesg --json; containers' and LAVA's logs): the message.
struct JsonMessage {
  std::string text;
  bool kernel = false, others = false;  // who wrote it, where the record says so
};
std::optional<JsonMessage> json_message(std::string_view line);
// A field of such a record that is no message, or its brackets.
bool json_noise(std::string_view line);

}  // namespace ktrial::console
