// Rules for what the kernel itself says in a log.
#include <algorithm>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/mail/facts.h"

namespace ktrial::mail {
namespace {

constexpr int kOfReport = 95, kOfBoot = 90;

// The hypervisor that a machine's name tells of; empty: none that is known.
std::string_view machine_named(std::string_view name) {
  struct Known {
    std::string_view part, hypervisor;
  };
  static constexpr Known kKnown[] = {{"Red Hat KVM", "KVM"},
                                     {"KubeVirt", "KVM"},
                                     {"OpenStack", "KVM"},
                                     {"QEMU", "QEMU"},
                                     {"linux,dummy-virt", "QEMU"},
                                     {"Bochs", "QEMU"},
                                     {"riscv-virtio", "QEMU"},
                                     {"pSeries", "QEMU"},
                                     {"Google Compute Engine", "Google Compute Engine"},
                                     {"VMware", "VMware"},
                                     {"VirtualBox", "VirtualBox"},
                                     {"Virtual Machine", "Hyper-V"},
                                     {"Amazon EC2", "Amazon EC2"},
                                     {"Xen", "Xen"},
                                     {"Parallels", "Parallels"},
                                     {"Apple Virtualization", "Apple Virtualization"},
                                     {"BHYVE", "bhyve"}};
  for (const Known& known : kKnown)
    if (name.find(known.part) != name.npos) return known.hypervisor;
  return {};
}

std::string taint_flags(std::string_view flags) {
  std::string out;
  for (const char c : flags)
    if (c != ' ' && c != 'G') out += c;
  return out.empty() ? "none" : out;
}

void read_header(std::string_view text, std::uint64_t line, const std::string& where,
                 Facts& facts) {
  // print_tainted() and dump_stack_print_info(): "Comm: x Tainted: G        W   6.16.0 #7 PREEMPT".
  static const RE2 kClean(R"(Not tainted,?\s+(\d[\w.+~-]*))");
  static const RE2 kTainted(
      R"(Tainted: (?:\[[A-Z]\]=\S+,?\s*)?([A-Z][A-Z ]*?)[\s-]+(\d+\.\d[\w.+~-]*))");
  static const RE2 kAfter(
      R"(^(?:\[[^\]]*\] *)*(\d+\.\d[\w.+~-]*) #\d+ (?:Not tainted|Tainted: ([A-Z ]+)))");
  static const RE2 kJustClean(R"(Not tainted\b)");
  std::string_view release, flags;
  if (partial_match(text, kClean, &release)) {
    facts.add("release", release, line, kOfReport, where);
    facts.add("taint", "none", line, kOfReport, where);
  } else if (partial_match(text, kTainted, &flags, &release)) {
    facts.add("release", release, line, kOfReport, where);
    facts.add("taint", taint_flags(flags), line, kOfReport, where);
  } else if (partial_match(text, kAfter, &release, &flags)) {
    facts.add("release", release, line, kOfReport, where);
    facts.add("taint", flags.empty() ? "none" : taint_flags(flags), line, kOfReport, where);
  } else if (partial_match(text, kJustClean)) {
    facts.add("taint", "none", line, kOfReport - 1, where);
  }
}

void read_architecture(std::string_view text, std::uint64_t line, const std::string& where,
                       Facts& facts) {
  struct Sign {
    const char* architecture;
    RE2 pattern;
  };
  static const Sign kSigns[] = {
      {"x86_64",
       R"(\bRIP: 00[13]\d:|\bR[A-D]X: [0-9a-f]{16}|entry_SYSCALL_64|\basm_(sysvec|exc)_|\bret_from_fork_asm\b|\.x86_64 #|-amd64 #|\bdo_syscall_64|__x64_sys_|arch/x86/)"},
      {"arm64",
       R"(\bpstate: [0-9a-f]{8}|\bel0t_64_|\bel1h_64_|ESR = 0x|\bx29: [0-9a-f]{16}|__arm64_sys_|arch/arm64/)"},
      {"riscv64", R"(\bepc : [0-9a-f]{16}|\bbadaddr: [0-9a-f]{16}|__riscv_sys_)"},
      {"ppc64le", R"(\bNIP:? +\[?[0-9a-f]{16}|\bGPR00: [0-9a-f]{16})"},
      {"s390x", R"(\bKrnl PSW : |__s390x_sys_)"},
      {"loongarch64", R"(\bera +[0-9a-f]{16}|\bERA: [0-9a-f]{16})"},
      {"i386", R"(\bEIP: [\w.]+\+0x|\bEAX: [0-9a-f]{8} EBX)"},
      {"arm", R"(\bPC is at \w+|\bpc : \[<[0-9a-f]{8}>\])"}};
  for (const Sign& sign : kSigns)
    if (partial_match(text, sign.pattern))
      return facts.add("arch", sign.architecture, line, kOfReport, where);
}

void read_machine_line(std::string_view text, std::uint64_t line, int weight,
                       const std::string& where, Facts& facts) {
  static const RE2 kHardware(R"((?:Hardware name|DMI|Machine model): (.+))");
  static const RE2 kDetected(R"(Hypervisor detected: (\w[\w -]*))");
  static const RE2 kCpus(
      R"(\bncpus=(\d+)|Brought up \d+ nodes?, (\d+) CPUs?|\bSLUB: .*CPUs=(\d+)|Total of (\d+) processors activated)");
  std::string_view value;
  if (partial_match(text, kHardware, &value)) {
    const std::string_view known = machine_named(value);
    facts.add("hypervisor", known, line, weight, where);
    static const RE2 kPc(R"(Standard PC \((Q35|i440FX))");
    if (partial_match(value, kPc)) facts.add("arch", "x86_64", line, weight - 5, where);
  }
  if (partial_match(text, kDetected, &value))
    facts.add("hypervisor", value, line, weight - 1, where);
  std::string_view n[4];
  if (partial_match(text, kCpus, &n[0], &n[1], &n[2], &n[3]))
    for (const std::string_view number : n) facts.add("cpus", number, line, weight, where);
}

// What the boot said whose kernel printed the row `until`.
void read_boot(const Sheet& sheet, std::size_t until, Facts& facts) {
  static const RE2 kCommand(R"((?:Kernel command line|Command line): (.*))");
  static const RE2 kVersion(R"(\bLinux version (\d[\w.+~-]*) \()");
  bool command = false, version = false;
  for (std::size_t i = until; i-- > 0 && !(command && version);) {
    const Row& row = sheet.rows[i];
    std::string_view value;
    const std::string where = where_of(sheet, i);
    if (!command && row.text.find("ommand line: ") != row.text.npos &&
        partial_match(row.text, kCommand, &value)) {
      command = true;
      for (const std::string_view token : split(value, ' '))
        facts.add("cmdline", token, row.number, kOfBoot, where);
    } else if (row.text.find("Linux version ") != row.text.npos &&
               partial_match(row.text, kVersion, &value)) {
      version = true;
      facts.add("release", value, row.number, kOfBoot, where);
    } else if (row.kind == RowKind::log) {
      read_machine_line(row.text, row.number, kOfBoot, where, facts);
    }
  }
}

}  // namespace

void read_log(const Sheet& sheet, const console::Finding* finding, Facts& facts) {
  if (finding == nullptr) {
    read_boot(sheet, sheet.rows.size(), facts);
    return;
  }
  const std::size_t from = std::min<std::size_t>(finding->first_line - 1, sheet.rows.size());
  const std::size_t to = std::min<std::size_t>({finding->last_line, sheet.rows.size(), from + 400});
  for (std::size_t i = from; i < to; ++i) {
    const Row& row = sheet.rows[i];
    const std::string where = where_of(sheet, i);
    // A mail program may have broken the line.
    std::string text(row.text);
    if (row.stamped && i + 1 < to && !sheet.rows[i + 1].stamped && text.size() < 90)
      text.append(" ").append(sheet.rows[i + 1].text);
    read_header(text, row.number, where, facts);
    read_architecture(text, row.number, where, facts);
    read_machine_line(text, row.number, kOfReport, where, facts);
  }
  read_boot(sheet, from, facts);
}

}  // namespace ktrial::mail
