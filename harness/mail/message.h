// A report as its text: what mail programs, archives and forums wrapped around it is undone, and
// each line knows where it stood in the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::mail {

// What is read of hostile input, at most. Who is cut says so.
struct Limits {
  static constexpr std::size_t kMessage = 48u << 20;  // bytes of one mail, as it came
  static constexpr std::size_t kPart = 16u << 20;     // of one part, decoded and unpacked
  static constexpr std::size_t kText = 32u << 20;     // of all parts of a mail
  static constexpr std::size_t kLine = 16u << 10;     // of one line
  static constexpr int kParts = 256, kDepth = 48;     // of a mail, and of parts in parts
};

struct TextLine {
  std::string text;          // without its newline and its quote marks
  std::uint64_t number = 0;  // 1-based, in the file; of unpacked text: where its part begins
  int quotes = 0;            // how deep it is quoted
};

struct Part {
  std::string name;  // of an attachment: its last path component, made of harmless characters
  bool attachment = false;
  bool cut = false;  // there was more
  std::uint64_t first_line = 0;
  std::vector<TextLine> lines;
};

// One mail, one page, or one file of plain text.
struct Message {
  std::string subject, from, id;
  std::vector<std::string> references;  // ids, the thread's first one first
  std::string date;                     // "2026-03-16"; empty: not known
  bool reply = false;                   // what it quotes is of its own thread
  std::uint64_t first_line = 1;
  std::vector<Part> parts;
  std::vector<std::string> notes;  // what could not be read, for people
};

// "../../etc/x y.c" -> "x_y.c"; never empty, never a path, at most 80 bytes.
std::string harmless_name(std::string_view name);

}  // namespace ktrial::mail
