// Rules for kernels: which one failed, which ones did not, and whose tree it was.
#include <algorithm>
#include <array>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/mail/facts.h"

namespace ktrial::mail {
namespace {

// Of other programs: their versions are no kernels'. "commit: 1a2b Merge tag 'x-6.16-rc6'" names
// none.
bool of_other_program(const Paragraph& paragraph) {
  static const RE2 kKey(
      R"(^(compiler|toolchains?|cc|gcc|clang|ld|lld|linker|binutils|assembler|qemu|bios|firmware|commit|head( commit)?|patch|boot[ -]?loader|product|reporter|package|ovmf|glibc|annotation|apportversion|bisected commit(-id)?)$)");
  KeyValue kv;
  return key_value(paragraph.text, kv) && full_match(kv.key, kKey);
}

// "Good: 6.12.5, 6.12.9", "kernel: 6.1.0-56-cloud-amd64".
void read_keys(const Paragraph& paragraph, int age, Facts& facts) {
  KeyValue kv;
  if (!key_value(paragraph.text, kv)) return;
  static const RE2 kGood(
      R"(^(last |known )*(good|works|working|ok|tested good)( kernels?| versions?| commit| releases?)?$)");
  static const RE2 kBad(
      R"(^(first |known )*(bad|broken|fails|failing)( kernels?| versions?| commit| releases?)?$)");
  static const RE2 kRelease(
      R"(^(linux )?(kernel|kernel version|kernel release|version|release|uname( -[ra])?|linux version|kernel-version|tested on|affected version)$)");
  const std::uint64_t line = paragraph.line_of(0);
  const std::string_view value = kv.value;
  // "6.12.5, 6.12.9", not what is said in brackets behind them.
  static const RE2 kBetween(R"(^["'`]?\s*(,|;|/|and|or|&|, ?and)?\s*["'`]?$)");
  const auto each = [&](std::string_view field) {
    std::size_t end = 0;
    for (const Version& version : versions_in(value)) {
      if (end > 0 && !full_match(value.substr(end, version.at - end), kBetween)) return;
      facts.add(field, version.text, line, 80 - age);
      end = version.end;
    }
  };
  if (full_match(kv.key, kGood)) each("release_good");
  if (full_match(kv.key, kBad)) each("release_bad");
  if (full_match(kv.key, kRelease))
    if (const auto versions = versions_in(value); !versions.empty())
      facts.add("release", versions.front().text, line, 80 - age);
}

void read_releases(const Paragraph& paragraph, int age, Facts& facts) {
  static const RE2 kUname(R"(\bLinux (?:version )?(?:\S+ )?(\d+\.\d+\.\d[\w.+~-]*) (?:\(|#\d))");
  static const RE2 kKernelBefore(
      R"((?i)\b(kernel|linux|release|version)( is| was| version| release)?[\s:`"'(]*$)");
  static const RE2 kOnBefore(
      R"((?i)\b(on|with|in|running|using|under|booted|booting|to|of|after|since updating to|'s)\s+(linux |kernel |the |plain |vanilla )*[`"'(]?$)");
  static const RE2 kTask(R"(\bnext-(\d{8})\b|linux-next specific files for (\d{8}))");
  std::string_view release, other;
  if (partial_match(paragraph.text, kUname, &release))
    facts.add("release", release, paragraph.line_of(0), 85 - age);
  for (const Version& version : versions_in(paragraph.text)) {
    const std::string_view before = std::string_view(paragraph.text).substr(0, version.at);
    const std::uint64_t line = paragraph.line_of(version.at);
    if (partial_match(before, kKernelBefore))
      facts.add("release", version.text, line, (version.full ? 70 : 45) - age);
    else if (version.full && partial_match(before, kOnBefore))
      facts.add("release", version.text, line, 50 - age);
    else if (version.full)
      facts.add("release", version.text, line, 30 - age);
  }
  if (partial_match(paragraph.text, kTask, &release, &other))
    facts.add("release", "next-" + std::string(release.empty() ? other : release),
              paragraph.line_of(0), 60 - age);
}

void read_tree(const Paragraph& paragraph, int age, Facts& facts) {
  KeyValue kv;
  static const RE2 kKey(R"(^(git )?(tree|repo|repository|git|git url|git tree|kernel tree|url)$)");
  static const RE2 kWords(
      R"(\b(linux-next|linux-stable-rc|stable-rc|linux-stable|net-next|bpf-next|mm-unstable|mm-stable|mm-everything|tip tree|tip/[a-z/]+|mainline|Linus'?s? (?:git )?(?:tree|master)|torvalds/linux|(?:the )?stable (?:tree|kernel|queue)|upstream (?:kernel|master|tree))\b)");
  static const RE2 kUrl(R"((?i)((?:https?|git)://git\.[\w./~-]+\.git\b))");
  static const RE2 kDistribution(
      R"(\b(Debian|Ubuntu|Fedora|openSUSE|Arch Linux|Gentoo|RHEL|CentOS|NixOS|Alpine|Proxmox)(?:'s)? (?:package|kernel|`?\d+\.\d))");
  std::string_view value;
  const std::uint64_t line = paragraph.line_of(0);
  if (key_value(paragraph.text, kv) && full_match(kv.key, kKey)) {
    const std::string_view first = kv.value.substr(0, kv.value.find_first_of(" \t"));
    static const RE2 kName(R"(^((https?|git|ssh)://\S+|[A-Za-z][\w./-]{2,60})$)");
    if ((kv.key != "url" || first.find("git") != first.npos) && full_match(first, kName))
      facts.add("tree", first, line, 90 - age);
  }
  if (partial_match(paragraph.text, kUrl, &value)) facts.add("tree", value, line, 55 - age);
  if (partial_match(paragraph.text, kWords, &value)) {
    static const RE2 kStable(R"(^(the )?stable )");
    static const RE2 kLinus(R"(^(Linus|torvalds|upstream))");
    const std::string name = partial_match(value, kStable) ? "linux-stable"
                             : partial_match(value, kLinus)
                                 ? "mainline (" + std::string(value) + ")"
                                 : std::string(value);
    facts.add("tree", name, line, 65 - age);
  }
  if (partial_match(paragraph.text, kDistribution, &value))
    facts.add("tree", value, line, 62 - age);
}

void read_subject(const Scan& scan, Facts& facts) {
  const std::string& subject = scan.message->subject;
  static const RE2 kTree(
      R"(\b(linux-next|stable-rc/linux-[\d.]+y|linux-[\d.]+\.y|net-next|bpf-next|\[linux-[a-z]+:\S+\]|mm-unstable)\b)");
  for (const Version& version : versions_in(subject))
    if (version.full) facts.add("release", version.text, scan.message->first_line, 65 - scan.index);
  std::string_view tree;
  if (partial_match(subject, kTree, &tree)) facts.add("tree", tree, scan.message->first_line, 45);
}

}  // namespace

void read_kernels(const Scan& scan, Facts& facts) {
  read_subject(scan, facts);
  for (const Sheet& sheet : scan.sheets) {
    if (sheet.part->attachment) continue;
    for (const Paragraph& paragraph : sheet.paragraphs) {
      if (scan.foreign(paragraph.quotes)) continue;
      const int age = std::clamp(scan.age(paragraph.quotes), 0, 20);
      if (!of_other_program(paragraph)) {
        judge_kernels(paragraph, age, facts);
        read_keys(paragraph, age, facts);
        read_releases(paragraph, age, facts);
      }
      read_tree(paragraph, age, facts);
    }
  }
}

}  // namespace ktrial::mail
