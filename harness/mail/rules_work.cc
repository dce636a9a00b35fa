// Rules for what the machine did: commands, tests, programs that come with the report.
#include <algorithm>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/mail/commands.h"
#include "harness/mail/facts.h"

namespace ktrial::mail {
namespace {

constexpr std::size_t kMaxSource = 4u << 20;  // a module as an array takes a megabyte

// Words that say of what follows, or stands beside, that it made the failure.
bool is_cue(std::string_view text) {
  static const RE2 kCue(
      R"((?i)\b(re-?produc\w+|trigger\w*|run(s|ning)?( it)?( with)?|with|steps|test ?case|workload|by doing|doing|after|while|under|hours? of|rounds of|parallel|script|does|using|execut\w+|load(ing)?)\b)");
  return partial_match(text, kCue);
}

std::string_view tail(std::string_view text, std::size_t size) {
  return text.substr(text.size() > size ? text.size() - size : 0);
}

void add_workload(std::string_view text, std::uint64_t line, int weight, Facts& facts) {
  std::string command = bare_command(text);
  while (command.ends_with(',') || (command.ends_with('.') && !command.ends_with("..")))
    command.pop_back();
  facts.add("workload", command, line, weight);
}

void read_quoted(const Paragraph& paragraph, int age, Facts& facts) {
  static const RE2 kQuoted(R"re(["`“]([^"`”]{4,300})["`”])re");
  re2::StringPiece rest = as_piece(paragraph.text), quoted;
  while (RE2::FindAndConsume(&rest, kQuoted, &quoted)) {
    const std::string_view text = as_view(quoted);
    if (!looks_like_command(text)) continue;
    const std::size_t at = static_cast<std::size_t>(text.data() - paragraph.text.data());
    const std::string_view before = std::string_view(paragraph.text).substr(0, at);
    add_workload(text, paragraph.line_of(at), (is_cue(tail(before, 40)) ? 75 : 60) - age, facts);
  }
}

// "Run it with: mount -o loop img /mnt".
void read_inline(const Paragraph& paragraph, int age, Facts& facts) {
  static const RE2 kAfter(
      R"((?i)\b(?:run(?: it)?(?: with)?|reproduce(?:d|s|r)?(?: (?:it|this))?(?: (?:with|by|using))?|trigger(?:ed)?(?: it)?(?: (?:with|by))?|command|steps|script): +(\S.*)$)");
  std::string_view command;
  if (partial_match(paragraph.text, kAfter, &command) && looks_like_command(command))
    add_workload(
        command,
        paragraph.line_of(static_cast<std::size_t>(command.data() - paragraph.text.data())),
        76 - age, facts);
}

void read_tests(const Paragraph& paragraph, int age, Facts& facts) {
  static const RE2 kKey(
      R"(^(test|tests|(in )?test ?case|test name|test ?suite|test_suite|workload|benchmark|job|suite)$)");
  static const RE2 kNamed(
      R"((?i)\b(kselftest[-/ :][a-z][\w/.-]+|ltp[-/][a-z][\w/.-]+|(?:xfs(?:tests)? |fstests |blktests )?(?:generic|xfs|btrfs|ext4|overlay|block|nvme|zbd)/\d{3}|selftests?: \S+: \S+|tools/testing/selftests/\w[\w/.-]+|\bLTP(?: tests?| test ?case)? [a-z][a-z_]*\d\d\b))");
  KeyValue kv;
  if (key_value(paragraph.text, kv) && full_match(kv.key, kKey) && kv.value.size() < 200 &&
      kv.value.find("://") == kv.value.npos)
    facts.add("workload", kv.value, paragraph.line_of(0), 78 - age);
  std::string_view name;
  if (partial_match(paragraph.text, kNamed, &name))
    facts.add("workload", name, paragraph.line_of(0), 62 - age);
}

void read_paragraphs(const Scan& scan, const Sheet& sheet, Facts& facts) {
  std::string_view last;  // what was said before a command on a line of its own
  for (const Paragraph& paragraph : sheet.paragraphs) {
    if (scan.foreign(paragraph.quotes)) continue;
    const int age = std::clamp(scan.age(paragraph.quotes), 0, 20);
    static const RE2 kPrompt(R"(^(\[?[\w.-]+@[\w.-]+[^$#%]{0,60}[$#%]|[$#]) \S)");
    const bool prompt =
        partial_match(paragraph.text, kPrompt) && !paragraph.text.starts_with("#syz");
    // "1. modprobe foo", of a list of steps.
    std::string_view text = paragraph.text;
    static const RE2 kItem(R"(^(\d{1,2}[.)]|[-*+])\s+)");
    const bool item = consume(text, kItem);
    if ((paragraph.verbatim || prompt || item) && looks_like_command(text)) {
      add_workload(text, paragraph.line_of(0), (is_cue(tail(last, 80)) ? 80 : 70) - age, facts);
      continue;
    }
    read_quoted(paragraph, age, facts);
    read_inline(paragraph, age, facts);
    read_tests(paragraph, age, facts);
    last = paragraph.text;
  }
}

void read_source(const Sheet& sheet, Facts& facts) {
  std::string text;
  std::uint64_t line = 0;
  const bool whole = sheet.role == PartRole::source && sheet.part->attachment;
  for (const Row& row : sheet.rows) {
    if (!whole && row.kind != RowKind::code) continue;
    if (line == 0) line = row.number;
    if (text.size() + row.text.size() > kMaxSource) return;
    text.append(row.text) += '\n';
  }
  static const RE2 kMain(R"(\bmain\s*\()");
  if (!partial_match(text, kMain)) return;
  const std::string name = sheet.part->name.empty() ? "inline" : sheet.part->name;
  facts.add("reproducer", name, line, whole ? 90 : 70);
  if (facts.sources.size() < 16) facts.sources.push_back({name, std::move(text), line});
}

void read_links(const Paragraph& paragraph, Facts& facts) {
  static const RE2 kKey(R"(^\**c[ -]repro(ducer)?\**$)");
  static const RE2 kLink(R"((?i)\bc[ -]?repro(?:ducer)?\b[^.]{0,60}?(https?://\S+))");
  static const RE2 kFile(R"((https?://\S+/[\w.-]*repro[\w.-]*\.c\b\S*))");
  KeyValue kv;
  std::string_view url;
  if (!(key_value(paragraph.text, kv) && full_match(kv.key, kKey) && kv.value.starts_with("http")))
    kv.value = {};
  else
    url = kv.value.substr(0, kv.value.find_first_of(" \t>"));
  if (url.empty() && !partial_match(paragraph.text, kLink, &url) &&
      !partial_match(paragraph.text, kFile, &url))
    return;
  facts.add("reproducer", trimmed(url, " .,;)>"), paragraph.line_of(0), 60);
}

}  // namespace

void read_work(const Scan& scan, Facts& facts) {
  for (const Sheet& sheet : scan.sheets) {
    if (sheet.role == PartRole::source || sheet.role == PartRole::text) read_source(sheet, facts);
    if (sheet.part->attachment) continue;
    read_paragraphs(scan, sheet, facts);
    for (const Paragraph& paragraph : sheet.paragraphs)
      if (!scan.foreign(paragraph.quotes)) read_links(paragraph, facts);
  }
}

}  // namespace ktrial::mail
