// Rules for machines, as people describe them: architecture, CPUs, hypervisor, command line.
#include <algorithm>
#include <array>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/mail/facts.h"

namespace ktrial::mail {
namespace {

std::string architecture_named(std::string_view name) {
  static const RE2 kX86(R"((?i)^(x86[-_]64|amd64|x64)$)");
  static const RE2 kArm(R"((?i)^(arm64|aarch64)$)");
  static const RE2 kPower(R"((?i)^(ppc64(le)?|powerpc(64(le)?)?)$)");
  static const RE2 kI386(R"((?i)^(i[36]86|x86_32|x86-32)$)");
  if (full_match(name, kX86)) return "x86_64";
  if (full_match(name, kArm)) return "arm64";
  if (full_match(name, kPower)) return "ppc64le";
  if (full_match(name, kI386)) return "i386";
  std::string out(name);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

void read_architecture(std::string_view text, std::uint64_t line, int age, Facts& facts) {
  static const RE2 kNames(
      R"((?i)(?:^|[^A-Za-z0-9])(x86[-_]64|amd64|arm64|aarch64|riscv64|ppc64le|ppc64|s390x|loongarch64|i[36]86|mips64(?:el)?|sparc64)(?:$|[^A-Za-z0-9]))");
  static const RE2 kQemu(R"(qemu-system-(\w+))");
  KeyValue kv;
  std::string_view name;
  if (key_value(text, kv) && (kv.key.starts_with("arch") || kv.key == "hardware") &&
      partial_match(kv.value, kNames, &name))
    facts.add("arch", architecture_named(name), line, 85 - age);
  if (partial_match(text, kQemu, &name))
    facts.add("arch", architecture_named(name), line, 75 - age);
  if (partial_match(text, kNames, &name))
    facts.add("arch", architecture_named(name), line, 60 - age);
}

int number_of(std::string_view word) {
  static constexpr auto kWords =
      std::to_array<std::pair<std::string_view, int>>({{"one", 1},
                                                       {"single", 1},
                                                       {"two", 2},
                                                       {"dual", 2},
                                                       {"three", 3},
                                                       {"four", 4},
                                                       {"quad", 4},
                                                       {"five", 5},
                                                       {"six", 6},
                                                       {"eight", 8},
                                                       {"ten", 10},
                                                       {"twelve", 12},
                                                       {"sixteen", 16},
                                                       {"thirty-two", 32},
                                                       {"sixty-four", 64}});
  std::string lower(word);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& [name, number] : kWords)
    if (name == lower) return number;
  return to_number<int>(word).value_or(0);
}

void read_cpus(std::string_view sentence, std::uint64_t line, int age, Facts& facts) {
  // Where it does not fail says how many CPUs it does not need.
  static const RE2 kNot(
      R"((?i)\b(not|never|n't|cannot|no longer (?:see\w*|happens?|hangs?|fails?|crash\w*|occurs?|reproduc\w*|trigger\w*)|unable to|unaffected|if (it|you)|would)\b)");
  static const RE2 kSmp(R"(-smp[ =](?:cpus=)?(\d+))");
  static const RE2 kCpus(
      R"((?i)\b(\d{1,4}|one|single|two|dual|three|four|quad|five|six|eight|ten|twelve|sixteen|thirty-two|sixty-four)[ -]?(?:x )?(?:virtual |logical |physical |online |hardware )?(?:v?cpus?|cores?|processors?)\b( or more)?)");
  static const RE2 kThreads(R"((?i)\b(\d{1,4}) (?:hardware )?threads\b)");
  static const RE2 kMachine(
      R"((?i)\b(laptop|desktop|workstation|server|machine|box|ryzen|epyc|xeon|core i\d|intel|amd|gb|gib|host)\b)");
  static const RE2 kCount(R"((?i)\b(?:CPU\(s\)|nproc|cpus?|vcpus?|--cpus)\s*[:=]?\s*(\d{1,4})\b)");
  if (partial_match(sentence, kNot)) return;
  std::string_view number, more;
  if (partial_match(sentence, kSmp, &number)) facts.add("cpus", number, line, 80 - age);
  if (partial_match(sentence, kCpus, &number, &more))
    if (const int n = number_of(number); n > 0)
      facts.add("cpus", std::to_string(n), line, (more.empty() ? 70 : 60) - age);
  if (partial_match(sentence, kThreads, &number) && partial_match(sentence, kMachine))
    facts.add("cpus", number, line, 50 - age);
  KeyValue kv;
  static const RE2 kKey(R"(^((v|number of )?cpus?|nproc|smp|cpu\(s\)|cores|nr_cpus?)$)");
  if (key_value(sentence, kv) && full_match(kv.key, kKey))
    if (static const RE2 kNumber(R"(^(\d{1,4})\b)"); partial_match(kv.value, kNumber, &number))
      facts.add("cpus", number, line, 78 - age);
}

void read_hypervisor(std::string_view text, std::uint64_t line, int age, Facts& facts) {
  static const RE2 kQemu(R"(\bQEMU\b|\bqemu-)");
  static const RE2 kKvm(R"(\bKVM\b|-enable-kvm|accel[= ]kvm\b)");
  static const RE2 kTcg(R"(\bTCG\b|accel[= ]tcg\b)");
  static const RE2 kOthers(
      R"((?i)\b(VMware|VirtualBox|Hyper-V|Amazon EC2|Google Compute Engine|Xen|bhyve|Firecracker|Cloud Hypervisor|crosvm)\b)");
  const bool qemu = partial_match(text, kQemu), kvm = partial_match(text, kKvm),
             tcg = partial_match(text, kTcg);
  std::string name = qemu ? "QEMU" : "";
  if (kvm) name += name.empty() ? "KVM" : "/KVM";
  if (tcg && !kvm) name += name.empty() ? "TCG" : "/TCG";
  std::string_view other;
  if (name.empty() && partial_match(text, kOthers, &other)) name = other;
  // Both at once is more than one of them.
  facts.add("hypervisor", name, line, (qemu && (kvm || tcg) ? 72 : 66) - age);
}

// What follows words like "booted with", here or, after a colon, in the next paragraph.
void read_command_line(const std::vector<Paragraph>& paragraphs, std::size_t index, int age,
                       Facts& facts) {
  static const RE2 kCue(
      R"((?i)(?:\b(?:(?:kernel |boot )?command[ -]?line|(?:prockernel)?cmdline|boot(?:ed|s|ing)? +(?:it |them )?with|boot[ -]?(?:line|parameters|options|args|arguments|params)|kernel (?:parameters|options|args|arguments)|bootargs|extra[_ ]args)|-append)(?: is| was| are)?[\s|:="'`]*)");
  const Paragraph& paragraph = paragraphs[index];
  re2::StringPiece rest = as_piece(paragraph.text);
  while (RE2::FindAndConsume(&rest, kCue)) {
    const std::string_view after = as_view(rest);
    const std::size_t at = paragraph.text.size() - after.size();
    auto tokens = command_line_tokens(after);
    std::uint64_t line = paragraph.line_of(at);
    if (trimmed(after).empty() && index + 1 < paragraphs.size()) {
      tokens = command_line_tokens(paragraphs[index + 1].text);
      line = paragraphs[index + 1].line_of(0);
    }
    for (const std::string& token : tokens) facts.add("cmdline", token, line, 80 - age);
  }
}

}  // namespace

void read_machine(const Scan& scan, Facts& facts) {
  const auto& subject = scan.message->subject;
  read_architecture(subject, scan.message->first_line, scan.index + 5, facts);
  read_cpus(subject, scan.message->first_line, scan.index, facts);
  for (const Sheet& sheet : scan.sheets) {
    if (sheet.part->attachment) continue;
    for (std::size_t i = 0; i < sheet.paragraphs.size(); ++i) {
      const Paragraph& paragraph = sheet.paragraphs[i];
      if (scan.foreign(paragraph.quotes)) continue;
      const int age = std::clamp(scan.age(paragraph.quotes), 0, 20);
      read_command_line(sheet.paragraphs, i, age, facts);
      for (const auto& [offset, sentence] : sentences(paragraph.text)) {
        const std::uint64_t line = paragraph.line_of(offset);
        read_architecture(sentence, line, age, facts);
        read_cpus(sentence, line, age, facts);
        read_hypervisor(sentence, line, age, facts);
      }
    }
  }
}

namespace {

void read_options(std::string_view sentence, std::uint64_t line, Facts& facts) {
  static const RE2 kOption(R"((CONFIG_[A-Z0-9_]{2,60})(=(?:[ymn]\b|\d+|"[^"]{0,60}"))?)");
  // Without it the failure is not seen.
  static const RE2 kNeeded(
      R"((?i)\b(could not|couldn't|cannot|can't|not see|does not|doesn't|goes away|gone|disappears|never)\b)");
  static const RE2 kOn(
      R"((?i)\b(enabled?|set|with|needs?|requires?|on|built|having|turned on|depends)\b)");
  static const RE2 kOff(R"((?i)\b(disabled?|without|not set|off|unset|turned off)\b)");
  re2::StringPiece rest = as_piece(sentence), name, value;
  while (RE2::FindAndConsume(&rest, kOption, &name, &value)) {
    std::string option(as_view(name));
    if (!value.empty()) {
      const bool flips = as_view(value) == "=n" && partial_match(as_view(rest), kNeeded);
      option += flips ? "=y" : std::string(as_view(value));
    } else if (partial_match(sentence, kOff)) {
      option += "=n";
    } else if (partial_match(sentence, kOn)) {
      option += "=y";
    } else {
      continue;
    }
    facts.add("config", option, line, 70);
  }
}

}  // namespace

void read_configs(const Scan& scan, Facts& facts) {
  read_options(scan.message->subject, scan.message->first_line, facts);
  for (const Sheet& sheet : scan.sheets) {
    if (sheet.role == PartRole::config)
      facts.add("config", "@" + (sheet.part->name.empty() ? "inline" : sheet.part->name),
                sheet.part->first_line, 90);
    if (sheet.part->attachment) continue;
    for (const Paragraph& paragraph : sheet.paragraphs)
      if (!scan.foreign(paragraph.quotes))
        for (const auto& [offset, sentence] : sentences(paragraph.text))
          read_options(sentence, paragraph.line_of(offset), facts);
  }
}

}  // namespace ktrial::mail
