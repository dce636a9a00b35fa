// What kind of text each line of a report is, and its prose as paragraphs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/console/analyzer.h"
#include "harness/mail/message.h"

namespace ktrial::mail {

enum class RowKind { blank, prose, log, diff, code };

struct Row {
  std::string_view text;
  std::uint64_t number = 0;
  int quotes = 0;
  RowKind kind = RowKind::prose;
  bool stamped = false;  // by the kernel, or by whoever kept its log
};

// Prose whose line breaks are undone: a paragraph, a list's item, a line "key: value".
struct Paragraph {
  std::string text;
  std::vector<std::pair<std::size_t, std::uint64_t>> marks;  // offset -> line
  std::size_t indent = 0;
  int quotes = 0;
  bool verbatim = false;  // indented, or in a fence: perhaps a command
  std::uint64_t line_of(std::size_t offset) const;
};

enum class PartRole { text, log, config, patch, source };

// A part, read.
struct Sheet {
  const Part* part = nullptr;
  PartRole role = PartRole::text;
  std::vector<Row> rows;
  std::vector<console::Finding> findings;  // their lines are numbers of `rows`, from 1
  std::vector<Paragraph> paragraphs;       // none of a log, a configuration, a source
};
// `part` must outlive it.
Sheet read_sheet(const Part& part);

// The sentences of a text, each with where it begins.
std::vector<std::pair<std::size_t, std::string_view>> sentences(std::string_view text);

// "key: value" of a head that a robot or a form wrote; a row of a table of two columns.
struct KeyValue {
  std::string key;         // lower case
  std::string_view value;  // without blanks and quotes around it
};
bool key_value(std::string_view text, KeyValue& out);

}  // namespace ktrial::mail
