// Rules for commits: patches that come with the report, what they fix, and who is blamed.
#include <algorithm>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/mail/facts.h"

namespace ktrial::mail {
namespace {

constexpr std::size_t kMaxPatch = 2u << 20;

bool is_sha(std::string_view text) {
  return text.find_first_of("0123456789") != text.npos && text.size() >= 8 && text.size() <= 40;
}

void read_bisection(std::string_view text, std::uint64_t line, int age, Facts& facts) {
#define SHA R"(\b([0-9a-f]{8,40})\b)"
  struct Rule {
    RE2 pattern;
    int weight;
  };
  static const Rule kRules[] = {
      {R"((?i)first bad commit:?\s*(?:is|was|seems to be)?:?\s*\[?)" SHA, 90},
      {SHA
       R"((?i)\]?\s*(?:\("[^"]*"\)\s*)?(?:is|as|was) the (?:first bad|culprit|offending|guilty))",
       90},
      {R"((?i)#regzbot\s+(?:\^\s*)?introduced:?\s*)" SHA, 84},
      {R"((?i)\bbisect\w*\b[^.]{0,120}?\b(?:to|ends?(?: up)? (?:at|in|with|on)|says?|blames?|points? (?:to|at)|landed (?:on|at)|found|finds|identified|leads? (?:me )?to|led (?:me )?to|gives?|gave|is|shows?|result\w*|yields?|commit)\b[^0-9a-f.]{0,48}?(?:commit\s+)?)" SHA,
       86},
      {R"((?i)\b(?:introduced|caused|broken|broke|brought|regressed) (?:by|in|with|since)\b\s*(?:the )?(?:commit|change|patch)?[\s:]*)" SHA,
       72},
      {R"((?i)\b(?:culprit|offending|guilty|first bad|bad)(?: commit)?\s*(?:is|was|seems to be|:)\s*(?:commit )?)" SHA,
       78},
      {R"((?i)\b(?:regression|started|happens|broken) (?:since|from|after|with) (?:commit )?)" SHA,
       70},
      {R"((?i)\brevert(?:ing|ed|s)?\b[^.]{0,40}?)" SHA
       R"((?i)[^.]{0,80}\b(?:fix\w*|help\w*|solve\w*|away|gone|resolve\w*|cure\w*|disappear\w*)\b)",
       66},
      // Test robots: "commit: SHA ("title")".
      {R"((?i)^\s*commit:?\s+)" SHA R"(\s*\(")", 64}};
#undef SHA
  for (const Rule& rule : kRules) {
    std::string_view sha;
    if (partial_match(text, rule.pattern, &sha) && is_sha(sha))
      facts.add("bisected", sha, line, rule.weight - age);
  }
}

void read_paragraphs(const Scan& scan, const Sheet& sheet, Facts& facts) {
  static const RE2 kSha(R"(^\W{0,3}(?:commit )?[0-9a-f]{8,40}\b)");
  static const RE2 kFixed(
      R"((?i)\b(?:already )?fixed (?:by|in|with) (?:the )?(?:commit )?([0-9a-f]{10,40})\b)");
  for (std::size_t i = 0; i < sheet.paragraphs.size(); ++i) {
    const Paragraph& paragraph = sheet.paragraphs[i];
    if (scan.foreign(paragraph.quotes)) continue;
    const int age = std::clamp(scan.age(paragraph.quotes), 0, 20);
    std::string text = paragraph.text;
    std::uint64_t line = paragraph.line_of(0);
    if (static const RE2 kFixes(R"(^\W*Fixes:)"); partial_match(text, kFixes)) continue;
    // A commit on a line of its own, behind what is said of it.
    if (i + 1 < sheet.paragraphs.size() &&
        partial_match(sheet.paragraphs[i + 1].text.substr(0, 64), kSha)) {
      text += " " + sheet.paragraphs[i + 1].text;
      line = sheet.paragraphs[i + 1].line_of(0);
    }
    read_bisection(text, line, age, facts);
    static const RE2 kKey(
        R"(^(bisected( to| commit(-id)?)?|first bad( commit)?|culprit|regression commit)$)");
    static const RE2 kValue(R"(^\W{0,3}(?:commit )?([0-9a-f]{8,40})\b)");
    if (KeyValue kv; key_value(paragraph.text, kv) && full_match(kv.key, kKey))
      if (std::string_view named; partial_match(kv.value, kValue, &named) && is_sha(named))
        facts.add("bisected", named, line, 88 - age);
    std::string_view sha;
    if (partial_match(text, kFixed, &sha) && is_sha(sha)) facts.add("fixes", sha, line, 60);
  }
}

void read_tags(const Scan& scan, const Sheet& sheet, Facts& facts) {
  static const RE2 kFixes(R"(^\s*Fixes:\s+(?:commit )?([0-9a-f]{8,40})\b)");
  static const RE2 kSyz(R"(^\s*#syz fix(?:ed-by)?:\s*(\S.*))");
  static const RE2 kRegzbot(R"(^\s*#regzbot (?:fix|fixed-by):?\s*(\S.*))");
  for (const Row& row : sheet.rows) {
    if (row.kind == RowKind::diff || row.kind == RowKind::log || scan.foreign(row.quotes)) continue;
    std::string_view value;
    if (partial_match(row.text, kFixes, &value)) facts.add("fixes", value, row.number, 80);
    // syzbot's own mails show how to say it.
    if (partial_match(row.text, kSyz, &value) && !value.starts_with("exact-commit-title"))
      facts.add("fixes", value, row.number, 85);
    if (partial_match(row.text, kRegzbot, &value)) facts.add("fixes", value, row.number, 80);
  }
}

void note(std::vector<std::string>& list, std::string_view name, std::size_t most) {
  if (!name.empty() && list.size() < most && std::ranges::find(list, name) == list.end())
    list.emplace_back(name);
}

void read_patch(const Scan& scan, const Sheet& sheet, Facts& facts) {
  static const RE2 kFile(R"(^\+\+\+ (?:b/)?([\w./+-]+))");
  static const RE2 kOld(R"(^--- (?:a/)?([\w./+-]+))");
  static const RE2 kHunk(R"(^@@ [-+,0-9 ]+ @@ ?(.*))");
  static const RE2 kFunction(R"(\b([a-z_][a-z0-9_]{3,})\s*\()");
  Patch patch;
  bool hunk = false;
  for (const Row& row : sheet.rows) {
    if (row.kind != RowKind::diff || scan.foreign(row.quotes)) continue;
    if (patch.text.size() + row.text.size() < kMaxPatch) patch.text.append(row.text) += '\n';
    if (patch.line == 0) patch.line = row.number;
    std::string_view name;
    if (partial_match(row.text, kFile, &name) || partial_match(row.text, kOld, &name)) {
      if (name != "/dev/null" && name != "dev/null") note(patch.files, name, 64);
      continue;
    }
    std::string_view code = row.text;
    if (partial_match(row.text, kHunk, &name)) {
      hunk = true;
      code = name;
    } else if (!row.text.starts_with('+') && !row.text.starts_with('-')) {
      continue;
    }
    re2::StringPiece rest = as_piece(code), function;
    while (RE2::FindAndConsume(&rest, kFunction, &function))
      note(patch.functions, as_view(function), 128);
  }
  if (!hunk) return;
  facts.add("patch", "yes", patch.line, 80);
  if (facts.patches.size() < 16) facts.patches.push_back(std::move(patch));
}

}  // namespace

void read_commits(const Scan& scan, Facts& facts) {
  for (const Sheet& sheet : scan.sheets) {
    if (sheet.role == PartRole::log || sheet.role == PartRole::config ||
        sheet.role == PartRole::source)
      continue;
    if (!sheet.part->attachment) read_paragraphs(scan, sheet, facts);
    read_tags(scan, sheet, facts);
    read_patch(scan, sheet, facts);
  }
}

}  // namespace ktrial::mail
