#include "harness/mail/facts.h"

#include <algorithm>

#include "harness/base/re2.h"
#include "harness/base/text.h"

namespace ktrial::mail {
namespace {

constexpr std::size_t kMaxFacts = 512, kMaxValue = 1024, kMaxWords = 30000;

// "I first blamed vsock, but that changes nothing": its words are acquitted. "What matters is that
// each command is started by vfork": they count.
void weigh(const Paragraph& paragraph, Facts& facts) {
  static const RE2 kAcquits(
      R"((?i)\b(changes nothing|no difference|not (the cause|related|involved|needed|at fault|required)|unrelated|irrelevant|innocent|ruled out|(also|still|even) (happens|fails|hangs|crashes|freezes|occurs) without)\b)");
  static const RE2 kMatters(
      R"((?i)\b(matters?|(is|are) (needed|necessary|enough|required)|the (key|trigger|cause)|culprit|only (when|with|if)|as soon as|is vital)\b)");
  static const RE2 kNo(R"((?i)\b(not|n't|never|no)\b)");
  static const RE2 kWord(R"(([A-Za-z_][A-Za-z0-9_]{2,63}))");
  for (const auto& [offset, sentence] : sentences(paragraph.text)) {
    const bool acquits = partial_match(sentence, kAcquits);
    const bool matters =
        !acquits && partial_match(sentence, kMatters) && !partial_match(sentence, kNo);
    if (!acquits && !matters) continue;
    re2::StringPiece rest = as_piece(sentence);
    for (std::string word; RE2::FindAndConsume(&rest, kWord, &word);) {
      std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
      const auto found = facts.words.find(word);
      if (found == facts.words.end()) continue;
      found->second.acquitted = found->second.acquitted || acquits;
      found->second.matters = found->second.matters || matters;
    }
  }
}

}  // namespace

void Facts::add(std::string_view field, std::string_view value, std::uint64_t line, int weight,
                std::string where) {
  value = trimmed(value).substr(0, kMaxValue);
  if (value.empty()) return;
  for (Fact& fact : all)
    if (fact.field == field && fact.value == value) {
      fact.weight = std::max(fact.weight, weight);
      return;
    }
  if (all.size() < kMaxFacts)
    all.push_back({std::string(field), std::string(value), line, weight, std::move(where)});
}

bool Facts::has(std::string_view field, std::string_view value) const {
  return std::ranges::any_of(
      all, [&](const Fact& fact) { return fact.field == field && fact.value == value; });
}

std::string where_of(const Sheet& sheet, std::size_t row) {
  // Of packed text all lines have the number of their part's first.
  if (sheet.rows.size() < 2 || sheet.rows.front().number != sheet.rows.back().number) return {};
  return sheet.part->name + ", line " + std::to_string(row + 1);
}

std::vector<Version> versions_in(std::string_view text) {
  static const RE2 kVersion(
      R"(\b(v?)(next-20\d{6}\b|(?:2\.6|[3-9])\.\d{1,3}(?:\.\d{1,3})?(?:-rc\d{1,2})?(?:[-+~][A-Za-z0-9][A-Za-z0-9.+~_-]*)?\+?))");
  // Other programs have versions, too, and so have firmware and clocks.
  static const RE2 kOther(
      R"((?i)(qemu|gcc|clang|llvm|lld|binutils|glibc|libc|mesa|bios|python|rustc?|systemd|openssh|docker|podman|stress-ng|firmware|ovmf|gnu ld|ubuntu|fedora|rhel|centos|debian|android|proxmox|virtualbox|edk2|busybox|pahole|v?smbios|socat|version [\w.]+ of)[ -]?(emulator |emu |version )?\(?v?$)");
  static const RE2 kUnit(
      R"((?i)^\s?(%|[kmg]?hz|[kmg]i?b|s\b|ms|sec|us\b|ns\b|x\b|times|hours|min|days|V\b|W\b))");
  std::vector<Version> out;
  re2::StringPiece rest = as_piece(text);
  std::string_view v, version;
  while (out.size() < 256) {
    re2::StringPiece mark, number;
    if (!RE2::FindAndConsume(&rest, kVersion, &mark, &number)) break;
    v = as_view(mark);
    version = as_view(number);
    while (version.ends_with('.') || version.ends_with('-') || version.ends_with('_'))
      version.remove_suffix(1);
    const std::size_t at = static_cast<std::size_t>(version.data() - text.data());
    const std::size_t begin = at - v.size();
    const char before = begin > 0 ? text[begin - 1] : ' ';
    const std::size_t end = at + version.size();
    if (before == '.' || before == '/' || before == '=' || before == ':' || before == '@') continue;
    if (before == '-' && v.empty()) continue;
    const auto follows = [&](std::size_t i) { return end + i < text.size() ? text[end + i] : ' '; };
    if (std::isalnum(static_cast<unsigned char>(follows(0))) || follows(0) == '/' ||
        (follows(0) == ':' && follows(1) != ' '))
      continue;
    const std::size_t from = begin > 32 ? begin - 32 : 0;
    if (partial_match(text.substr(from, begin - from), kOther)) continue;
    // 'commit ("its title") [v6.15-rc1]': where a commit was merged.
    if (text.substr(0, begin).ends_with("\") [")) continue;
    if (partial_match(text.substr(end, 8), kUnit)) continue;
    const bool full =
        !v.empty() || std::ranges::count(version, '.') >= 2 || version.find("-rc") != version.npos;
    out.push_back({std::string(version), begin, end, full});
  }
  return out;
}

std::vector<std::string> command_line_tokens(std::string_view text) {
  static const RE2 kAssigned(R"(^[A-Za-z_][A-Za-z0-9_.-]*=\S*$)");
  static const RE2 kFlag(
      R"(^(ro|rw|quiet|splash|debug|nokaslr|nosmp|nosmt|noapic|nolapic|ignore_loglevel|initcall_debug|nopti|nomodeset|single|nohz|threadirqs|noinitrd|rootwait|earlyprintk|earlycon|keep_bootcon|nosplash|no_console_suspend|noresume|mitigations|nospectre_v2|noexec|nox2apic|notsc|nowatchdog|apic|acpi|efi|rhgb|verbose|slub_debug|kmemleak|selinux|audit|fips|noquiet|sysrq_always_enabled|[a-z_]+_debug|debug_[a-z_]+|no[a-z_]{3,20})$)");
  std::vector<std::string> out;
  bool assigned = false;
  for (std::string_view word : split(text, ' ')) {
    const bool last =
        word.size() > 1 && (word.ends_with('"') || word.ends_with('`') || word.ends_with('\''));
    word = trimmed(word, "\"`'\t ");
    std::string_view clean = word;
    const bool stop = clean.ends_with('.') || clean.ends_with(';') || clean.ends_with(',');
    while (clean.ends_with('.') || clean.ends_with(';') || clean.ends_with(',') ||
           clean.ends_with(')'))
      clean.remove_suffix(1);
    const bool is_assigned = full_match(clean, kAssigned);
    if (clean.empty() || clean.size() > 400 || (!is_assigned && !full_match(clean, kFlag))) break;
    assigned = assigned || is_assigned;
    out.emplace_back(clean);
    if (last || stop || out.size() >= 128) break;
  }
  // "ro" alone is a word like any other.
  if (!assigned && out.size() < 2) out.clear();
  return out;
}

void read_words(const Scan& scan, Facts& facts) {
  const auto note = [&](std::string_view text, WordPlace place, std::uint64_t line) {
    static const RE2 kWord(R"(([A-Za-z_][A-Za-z0-9_]{2,63}))");
    re2::StringPiece rest = as_piece(text.substr(0, 4096));
    for (std::string word; RE2::FindAndConsume(&rest, kWord, &word);) {
      std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
      const auto found = facts.words.find(word);
      if (found == facts.words.end()) {
        if (facts.words.size() < kMaxWords) facts.words.emplace(word, Word{place, line, 1});
        continue;
      }
      ++found->second.count;
      if (place < found->second.place) {
        found->second.place = place;
        found->second.line = line;
      }
    }
  };
  static const RE2 kCpu(
      R"((?i)\bcpu[=#: -]{1,2}(\d{1,3})\b|\b[\w<>-]+-\d+\s+(\d{1,3})[d.][.nNIpb]{0,2})");
  note(scan.message->subject, WordPlace::subject, scan.message->first_line);
  for (const Sheet& sheet : scan.sheets) {
    if (sheet.role == PartRole::config || sheet.role == PartRole::log) continue;
    for (const Row& row : sheet.rows) {
      if (scan.foreign(row.quotes)) continue;
      if (row.kind == RowKind::prose) note(row.text, WordPlace::prose, row.number);
      if (row.kind == RowKind::diff &&
          (row.text.starts_with('+') || row.text.starts_with('-') || row.text.starts_with("@@")))
        note(row.text, WordPlace::patch, row.number);
      std::string one, two;
      if (row.kind != RowKind::diff &&
          RE2::PartialMatch(as_piece(row.text.substr(0, 200)), kCpu, &one, &two))
        if (const auto cpu = to_number<int>(one.empty() ? two : one); cpu && *cpu < 256)
          facts.highest_cpu = std::max(facts.highest_cpu, *cpu);
    }
  }
  for (const Sheet& sheet : scan.sheets)
    if (!sheet.part->attachment)
      for (const Paragraph& paragraph : sheet.paragraphs)
        if (!scan.foreign(paragraph.quotes)) weigh(paragraph, facts);
}

}  // namespace ktrial::mail
