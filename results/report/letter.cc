#include "results/report/letter.h"

#include "harness/base/text.h"
#include "results/report/mail.h"
#include "results/report/report.h"
#include "results/report/text.h"

namespace ktrial::results {
namespace {

constexpr std::size_t kSubjectBytes = 180;

bool goes_on(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t columns_of(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += goes_on(c) ? 0 : 1;
  return n;
}

// The longest beginning of at most `columns` columns.
std::string_view front_of(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  for (std::size_t n = 0; at < text.size(); ++at)
    if (!goes_on(text[at]) && n++ == columns) break;
  return text.substr(0, at);
}

std::string ascii(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
      continue;
    }
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02x", unsigned{byte});
    out += hex;
  }
  return out;
}

std::string without_tabs(std::string_view text) {
  std::string out;
  for (const char c : text) c == '\t' ? out += "\\x09" : out += c;
  return out;
}

// In any case in quotes: a line that begins with one is no "From " and no "---".
std::string quoted(std::string_view part) {
  const std::string word = ktrial::shell_quoted(part);
  return word.starts_with('\'') ? word : "'" + word + "'";
}

// A word that fits no line: parts that a shell puts together again.
std::string broken_word(std::string_view word, std::size_t columns) {
  std::string out;
  while (!word.empty()) {
    std::size_t take = 0;
    for (std::size_t end = 1; end <= word.size(); ++end) {
      if (end < word.size() && goes_on(word[end])) continue;
      if (quoted(word.substr(0, end)).size() + 1 > columns && take > 0) break;
      take = end;
    }
    out += quoted(word.substr(0, take));
    word.remove_prefix(take);
    if (!word.empty()) out += "\\\n";
  }
  return out;
}

}  // namespace

std::string shell_lines(const std::vector<std::string>& argv, std::size_t columns,
                        const std::string& indent) {
  std::string out, line = indent;
  for (const std::string& raw : argv) {
    const std::string safe = without_tabs(printable(raw)), word = ktrial::shell_quoted(safe);
    const bool first = line.size() == indent.size();
    // A blank before, and " \" behind.
    if (columns_of(line) + columns_of(word) + (first ? 0 : 1) + 2 <= columns) {
      line += (first ? "" : " ") + word;
      continue;
    }
    if (!first) out += line + " \\\n";
    line = indent + "  ";
    if (columns_of(line) + columns_of(word) + 2 <= columns) {
      line += word;
      continue;
    }
    const std::string parts = broken_word(safe, columns - 2);
    const std::size_t last = parts.rfind('\n');
    out += last == std::string::npos ? "" : parts.substr(0, last + 1);
    line = parts.substr(last == std::string::npos ? 0 : last + 1);
  }
  return out + line + "\n";
}

Letter::Letter(std::string_view subject) {
  // Folded at a blank: RFC 5322, 2.2.3. Without one it is cut.
  std::string rest = "Subject: " + ascii(one_line(subject, kSubjectBytes));
  while (rest.size() > kColumns) {
    const std::size_t at = rest.rfind(' ', kColumns - 1);
    if (at == std::string::npos || at < 12) {
      rest.resize(kColumns);
      break;
    }
    out_ += rest.substr(0, at) + "\n";
    rest.erase(0, at);
  }
  out_ += rest + "\n";
  out_ +=
      "MIME-Version: 1.0\n"
      "Content-Type: text/plain; charset=UTF-8\n"
      "Content-Transfer-Encoding: 8bit\n\n";
}

std::string Letter::take() { return std::move(out_); }

void Letter::put(std::string_view line) {
  // A guest's word that begins a line of prose may look like the next message of an mbox, or like
  // a patch to `git am`.
  for (const std::string_view magic : {"From ", ">From ", "diff ", "Index: ", "---", "-- "})
    if (line.starts_with(magic)) {
      out_ += ' ';
      line = front_of(line, kColumns - 1);
      break;
    }
  // A tab would take more columns than the one that is counted.
  for (const char c : line.substr(0, line.find_last_not_of(' ') + 1)) out_ += c == '\t' ? ' ' : c;
  out_ += '\n';
}

void Letter::blank() { put(""); }

void Letter::wrapped(std::string_view text, const std::string& first, const std::string& rest) {
  std::string line = first;
  bool empty = true;
  for (std::string_view word : split(text, ' ')) {
    if (!empty && columns_of(line) + 1 + columns_of(word) > kColumns) {
      put(line);
      line = rest;
      empty = true;
    }
    line += empty ? "" : " ";
    empty = false;
    while (columns_of(line) + columns_of(word) > kColumns) {
      const std::string_view part = front_of(word, kColumns - columns_of(line));
      put(line + std::string(part));
      word.remove_prefix(part.size());
      line = rest;
    }
    line += word;
  }
  put(line);
}

void Letter::paragraph(std::string_view text) { wrapped(one_line(text, 4000), "", ""); }

void Letter::field(std::string_view name, std::string_view value) {
  if (value.empty()) return;
  wrapped(one_line(value, 1000), "  " + padded(std::string(name), 10) + " ", std::string(13, ' '));
}

void Letter::lines(const std::vector<std::string>& block) {
  for (const std::string& raw : block) {
    const std::string safe = one_line(raw, 1000);
    std::string_view rest = safe;
    std::string indent = "  ";
    do {
      std::string_view part = front_of(rest, kColumns - indent.size());
      // Between words, where that leaves more than half of the line.
      if (const std::size_t blank = part.rfind(' ');
          part.size() < rest.size() && blank != part.npos && blank > part.size() / 2)
        part = part.substr(0, blank + 1);
      put(indent + std::string(part));
      rest.remove_prefix(part.size());
      indent = "      ";
    } while (!rest.empty());
  }
}

void Letter::command(const std::vector<std::string>& argv, const std::string& working_dir) {
  if (argv.empty()) return;
  if (!working_dir.empty()) out_ += shell_lines({"cd", working_dir}, kColumns, "  ");
  out_ += shell_lines(argv, kColumns, "  ");
}

}  // namespace ktrial::results
