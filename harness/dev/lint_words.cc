#include <algorithm>
#include <set>

#include "harness/base/re2.h"
#include "harness/dev/lint.h"
#include "harness/dev/lint_files.h"

namespace ktrial::dev {

Findings check_words(const std::filesystem::path& root, const WordRule& rule) {
  const RE2 pattern("(" + rule.pattern + ")");
  std::set<std::string> unneeded;
  for (const auto& [path, reason] : rule.exceptions) unneeded.insert(path);
  Findings out;
  for (const std::string& file : files_of(root)) {
    if (!is_code(file) || below_testdata(file) || is_test(file)) continue;
    const auto lines = code_of(root / file);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string word;
      if (!partial_match(lines[i], pattern, &word)) continue;
      const auto allowed = std::ranges::find_if(rule.exceptions, [&](const auto& exception) {
        return file.starts_with(exception.first);
      });
      if (allowed != rule.exceptions.end())
        unneeded.erase(allowed->first);
      else
        out.push_back(at(file, i) + rule.what + ": " + word);
    }
  }
  for (const std::string& path : unneeded)
    out.push_back(path + ": is an exception of \"" + rule.what + "\", but needs none");
  return out;
}

WordRule no_x86_words() {
  return {
      "x86|X86|amd64|i386|[bB]zImage|bzimage|\\bq35\\b|microvm|ttyS[0-9]|__x64_|__ia32_|"
      "\\b[rReE]([iIsSbB][pP]|[fF][lL])\\b|\\b[cC][rR][0-4]\\b|irq_vectors|pt_regs|[Oo]rc(Tables|_)"
      "|"
      "EM_(X86_64|386)|rdtsc|\\btsc|lapic|ioapic",
      "an x86 word",
      {
          {"harness/arch/x86_64.", "its row"},
          {"harness/arch/arch.cc", "the table that names its row"},
          {"harness/arch/host_counter.cc", "reads the counter of the processor that it runs on"},
          {"harness/introspect/x86_64/", "its page tables, registers and unwind tables"},
          {"harness/introspect/isas.cc", "the table that names it"},
          {"harness/introspect/witness_guest", "of a test"},
          {"harness/kernel/elf.cc", "the names of all of ELF's machines"},
          {"harness/kernel/image.cc", "says whose image that is which no row boots"},
          {"harness/console/", "reads the reports of every architecture"},
          {"results/signature.cc", "names of functions of every architecture"},
          {"harness/mail/", "what people write of every architecture"},
          {"harness/reproduce/match.cc", "names of functions of every architecture"},
          {"harness/bundle/console_diff.cc", "lines that differ from boot to boot"},
          {"harness/bundle/difference.cc", "words that differ from host to host"},
          {"workloads/", "guest code: compiled for one processor"},
      }};
}

WordRule no_waits_of_seconds() {
  // Milliseconds from a thousand on.
  const std::string second =
      "\\b(chrono::)?(seconds|minutes|hours)([ ]+\\w+)?\\s*[({]\\s*[1-9]|"
      "\\b(chrono::)?(m|M)illiseconds([ ]+\\w+)?\\s*[({]\\s*[1-9][0-9']{3}|"
      "\\b[1-9][0-9]*(s|min|h)\\b|\\b[1-9][0-9]{3,}ms\\b";
  return {second,
          "a wait of seconds outside of spec/timeouts",
          {
              {"harness/spec/timeouts.", "its place"},
              {"harness/spec/spec.h", "the bound of what may be asked for"},
              {"harness/spec/fleet.h", "how often a scheduler is asked, if its file does not say"},
              {"harness/base/command.h", "the default of who names none; knows nothing of spec"},
              {"harness/kernel/deb/apt.cc", "an age: of apt's lists"},
              {"harness/introspect/witness_guest", "of a test"},
              {"harness/kernel/cache.h", "an age: of what may be in use"},
              {"harness/vm/template_store.h", "an age: of what nobody uses"},
              {"harness/vm/ram_dump.cc", "by the size, as the slowest disk writes"},
              {"results/store/store.cc", "an age: of a folder without a record"},
              {"harness/vm/qemu/accel.cc", "an age: of an answer that rests on time"},
              {"harness/trial/monitor.", "how often the guest is sampled; how old a fresh beat is"},
              {"harness/trial/timeline.cc", "the width of a window"},
              {"harness/cli/campaign_screen.cc", "an interval that is shown"},
              {"harness/cli/reproduce_command.cc", "a budget"},
              {"harness/selftest/faults.cc", "how long a planted fault is given to show"},
          }};
}

}  // namespace ktrial::dev
