#include "harness/mail/text.h"

#include <algorithm>
#include <cctype>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/console/line.h"
#include "harness/console/wrapping.h"
#include "harness/mail/commands.h"

namespace ktrial::mail {
namespace {

bool is_stamped(std::string_view text) {
  const console::Peeled peeled = console::peel(text);
  return peeled.kernel || console::is_stamp(text, peeled.body);
}

// What a line of a kernel report without stamp looks like.
bool looks_kernel(std::string_view text) {
  static const RE2 kWords(
      R"(\+0x[0-9a-f]+/0x[0-9a-f]+|^\s*(CPU: \d|Call [Tt]race:|</?(TASK|IRQ|NMI)>|RIP:|R[A-D]X:|RS[PI]:|R\d\d: |Hardware name:|Code: |BUG:|INFO:|WARNING:|Modules linked in|Workqueue: |Tainted: |CR2: |-> #\d|===|---)|\[inline\])");
  return partial_match(text, kWords);
}

bool is_hunk_line(std::string_view text) {
  static const RE2 kHead(
      R"(^(diff |index [0-9a-f]|--- |\+\+\+ |@@|new file|deleted file|old mode|new mode|rename |similarity |copy |Binary ))");
  return text.empty() || text[0] == ' ' || text[0] == '+' || text[0] == '-' || text[0] == '\\' ||
         text[0] == '\t' || partial_match(text, kHead);
}

// Of C, told from English by its marks.
bool looks_c(std::string_view text) {
  static const RE2 kCode(
      R"([;{}]\s*(//.*|/\*.*)?$|^\s*(#\s*(include|define|if|ifdef|ifndef|endif|else|undef|pragma)\b|//|/\*|\*/|\* )|^\s*(static|int|void|struct|unsigned|char|long|typedef|extern|const|enum|for|if|while|return|else|switch|case|default)\b.*[(){;:,]|[,(|&\\]\s*$|^\s*\}|\)\s*$)");
  return partial_match(text, kCode);
}

void mark_diffs(std::vector<Row>& rows) {
  bool inside = false;
  int blank = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string_view text = rows[i].text;
    const bool begins =
        text.starts_with("diff --git ") || text.starts_with("Index: ") ||
        (text.starts_with("--- ") && i + 1 < rows.size() && rows[i + 1].text.starts_with("+++ "));
    if (begins) inside = true;
    if (!inside) continue;
    blank = text.empty() ? blank + 1 : 0;
    // Context lines lose their first blank in archives.
    const bool ends = text == "-- " || text == "--" || text.starts_with("From ") || blank > 2 ||
                      (!is_hunk_line(text) && !looks_c(text));
    if (ends)
      inside = false;
    else
      rows[i].kind = RowKind::diff;
  }
}

// A program in the text: from its first directive to the brace that closes its last function.
void mark_code(std::vector<Row>& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].kind == RowKind::diff || !rows[i].text.starts_with("#include ")) continue;
    std::size_t from = i, last = i;
    while (from > 0 &&
           (rows[from - 1].text.starts_with("//") || rows[from - 1].text.starts_with("#") ||
            rows[from - 1].text.starts_with("/*") || rows[from - 1].text.starts_with(" *")))
      --from;
    int depth = 0;
    for (std::size_t j = i; j < rows.size() && rows[j].kind != RowKind::log; ++j) {
      const std::string_view text = rows[j].text;
      if (depth == 0 && !trimmed(text).empty() && !looks_c(text)) break;
      depth += static_cast<int>(std::ranges::count(text, '{') - std::ranges::count(text, '}'));
      if (!trimmed(text).empty()) last = j;
    }
    for (std::size_t j = from; j <= last; ++j) rows[j].kind = RowKind::code;
    i = last;
  }
}

void find_reports(Sheet& sheet) {
  console::Analyzer analyzer;
  for (const Row& row : sheet.rows) {
    analyzer.feed(row.text);
    analyzer.feed("\n");
  }
  analyzer.finish();
  sheet.findings = analyzer.findings();
  for (const console::Finding& finding : sheet.findings)
    for (std::uint64_t i = finding.first_line; i <= finding.last_line && i <= sheet.rows.size();
         ++i) {
      Row& row = sheet.rows[i - 1];
      if (i == finding.first_line || looks_kernel(row.text)) row.kind = RowKind::log;
    }
}

PartRole role_of(const Sheet& sheet) {
  static const RE2 kConfig(R"(^(CONFIG_[A-Z0-9_]+=|# CONFIG_[A-Z0-9_]+ is not set))");
  std::size_t log = 0, config = 0, diff = 0, code = 0, text = 0;
  for (const Row& row : sheet.rows) {
    if (row.kind == RowKind::blank) continue;
    ++text;
    log += row.kind == RowKind::log;
    diff += row.kind == RowKind::diff;
    code += row.kind == RowKind::code;
    if (row.text.starts_with("CONFIG_") || row.text.starts_with("# CONFIG_"))
      config += partial_match(row.text.substr(0, 200), kConfig);
  }
  const bool attached = sheet.part->attachment;
  const std::string& name = sheet.part->name;
  if (config >= 3 && config * 2 > text) return PartRole::config;
  if (attached && name.ends_with(".c")) return PartRole::source;
  if (code * 4 > text * 3) return PartRole::source;
  if (attached && diff > 0) return PartRole::patch;
  if (log > 2000 && log * 10 > text * 8) return PartRole::log;
  if (attached && (log > 0 || name.ends_with(".log"))) return PartRole::log;
  return PartRole::text;
}

std::size_t indent_of(std::string_view text) {
  std::size_t columns = 0;
  for (const char c : text) {
    if (c != ' ' && c != '\t') break;
    columns += c == '\t' ? 8 : 1;
  }
  return columns;
}

class Prose {
 public:
  explicit Prose(Sheet& sheet) : sheet_(sheet) {}
  void read() {
    for (const Row& row : sheet_.rows) {
      if (row.kind != RowKind::prose) {
        open_ = false;
        continue;
      }
      take(row);
    }
  }

 private:
  void take(const Row& row) {
    static const RE2 kItem(
        R"(^\s*(([-*+•|]|\(?\d{1,2}[.)]|\[\d{1,3}\])\s|v?[2-9]\.\d{1,3}[\w.+-]*\s*(:|=>?|->|–)\s))");
    static const RE2 kKey(R"(^\s*[A-Za-z#][A-Za-z0-9 _./-]{1,28}:(\s|$))");
    const std::string_view text = trimmed(row.text);
    if (text.starts_with("```") || text == "{{{" || text == "}}}") {
      fenced_ = !fenced_;
      open_ = false;
      return;
    }
    const std::size_t indent = indent_of(row.text);
    const bool command = (indent >= 2 || fenced_) && looks_like_command(text);
    const bool is_key = partial_match(row.text.substr(0, 64), kKey);
    const bool begins = !open_ || row.quotes != quotes_ || command || fenced_ ||
                        partial_match(row.text.substr(0, 64), kItem) ||
                        (is_key && (last_size_ < 60 || key_)) || !continues(indent);
    if (begins) {
      Paragraph& made = sheet_.paragraphs.emplace_back();
      made.indent = indent;
      made.quotes = row.quotes;
      made.verbatim = indent >= 2 || fenced_;
    }
    Paragraph& paragraph = sheet_.paragraphs.back();
    if (!paragraph.text.empty()) paragraph.text += ' ';
    paragraph.marks.emplace_back(paragraph.text.size(), row.number);
    paragraph.text += text;
    if (paragraph.text.ends_with('\\')) paragraph.text.pop_back();
    command_ = begins ? command : command_;
    key_ = begins ? is_key : key_;
    open_ = paragraph.text.size() < 8192;
    quotes_ = row.quotes;
    last_size_ = row.text.size();
  }

  // Whether a row so far in belongs to the paragraph that is open.
  bool continues(std::size_t indent) const {
    const Paragraph& open = sheet_.paragraphs.back();
    // A command of one line; a mail program may have broken it.
    if (command_) return indent == 0 && last_size_ >= 60;
    return indent <= open.indent + 8 && (open.indent >= 2 || indent < 2);
  }

  Sheet& sheet_;
  bool open_ = false, fenced_ = false, command_ = false, key_ = false;
  int quotes_ = 0;
  std::size_t last_size_ = 0;
};

}  // namespace

std::uint64_t Paragraph::line_of(std::size_t offset) const {
  std::uint64_t line = 0;
  for (const auto& [at, number] : marks)
    if (at <= offset || line == 0) line = number;
  return line;
}

Sheet read_sheet(const Part& part) {
  Sheet sheet{.part = &part};
  sheet.rows.reserve(part.lines.size());
  for (const TextLine& line : part.lines) {
    Row& row = sheet.rows.emplace_back(Row{line.text, line.number, line.quotes, RowKind::prose});
    if (trimmed(row.text).empty())
      row.kind = RowKind::blank;
    else if ((row.stamped = is_stamped(row.text)))
      row.kind = RowKind::log;
  }
  find_reports(sheet);
  mark_diffs(sheet.rows);
  mark_code(sheet.rows);
  sheet.role = role_of(sheet);
  if (sheet.role == PartRole::text || sheet.role == PartRole::patch) Prose(sheet).read();
  return sheet;
}

std::vector<std::pair<std::size_t, std::string_view>> sentences(std::string_view text) {
  std::vector<std::pair<std::size_t, std::string_view>> out;
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool end = (c == '.' || c == '!' || c == '?' || c == ';') &&
                     (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == ')');
    if (!end) continue;
    out.emplace_back(from, text.substr(from, i + 1 - from));
    from = i + 1;
  }
  if (!trimmed(text.substr(from)).empty()) out.emplace_back(from, text.substr(from));
  return out;
}

bool key_value(std::string_view text, KeyValue& out) {
  static const RE2 kLine(
      R"(^\s*(?:[-*•]\s+)?\*{0,2}([A-Za-z#][A-Za-z0-9 _./#()-]{1,30}?)\*{0,2}\s*(?::|=>)\*{0,2}\s+(\S.*)$)");
  static const RE2 kTable(R"(^\s*\|\s*([A-Za-z][A-Za-z0-9 _./-]{1,30}?)\s*\|\s*(\S.*?)\s*\|?\s*$)");
  std::string_view key, value;
  if (!partial_match(text, kLine, &key, &value) && !partial_match(text, kTable, &key, &value))
    return false;
  out.key = std::string(key);
  std::ranges::transform(out.key, out.key.begin(), [](unsigned char c) { return std::tolower(c); });
  out.key.erase(0, out.key.find_first_not_of("# "));  // "# good: [...]" of a bisection's log
  out.value = trimmed(value, " \t\r\n`|");
  return true;
}

}  // namespace ktrial::mail
