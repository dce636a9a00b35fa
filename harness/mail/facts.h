// What a report says of a failure and of the machine that had it, each with the line it stands in.
// Rules only see text; none knows more than the report does.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/mail/text.h"
#include "results/kind.h"

namespace ktrial::mail {

// The fields of `ktrial reproduce --plan`: signature, kind, culprit, release, release_good,
// release_bad, tree, arch, cpus, hypervisor, cmdline, config, taint, workload, reproducer, patch,
// fixes, bisected.
struct Fact {
  std::string field, value;
  std::uint64_t line = 0;
  int weight = 0;     // of several values of one field the heaviest is told
  std::string where;  // "serial.log, line 20": of what was packed; else empty
};

struct Failure {
  std::string title;
  results::Kind kind = results::Kind::none;
  std::string culprit, task;
  std::vector<std::string> frames;  // functions of its excerpt, in order, each once
  std::uint64_t line = 0;
  std::string where;
  bool foreign = false;  // somebody else's, told for comparison
};

// A program in C that comes with the report.
struct Source {
  std::string name;  // of the attachment, or "inline"
  std::string text;  // empty: only linked
  std::uint64_t line = 0;
};

struct Patch {
  std::string text;                    // as `git apply` takes it
  std::vector<std::string> files;      // that it touches
  std::vector<std::string> functions;  // that it names: in hunk heads and changed lines
  std::uint64_t line = 0;
};

// Where words were seen: a workload is chosen by them.
enum class WordPlace { stack, patch, subject, prose };
struct Word {
  WordPlace place = WordPlace::prose;  // the strongest one
  std::uint64_t line = 0;
  int count = 0;
  bool matters = false, acquitted = false;  // as its sentence says
};

// Of one mail, as its rules see it.
struct Scan {
  const Message* message = nullptr;
  int index = 0;  // in its thread
  std::vector<Sheet> sheets;
  bool forwards = false;  // what it quotes is the report
  bool foreign(int quotes) const { return quotes > 0 && !message->reply && !forwards; }
  // What is quoted is older than who quotes it.
  int age(int quotes) const { return index - quotes; }
};

struct Facts {
  std::vector<Fact> all;
  std::vector<Failure> failures;
  std::vector<Source> sources;
  std::vector<Patch> patches;
  std::map<std::string, Word, std::less<>> words;
  int highest_cpu = -1;  // that the text names, by number
  void add(std::string_view field, std::string_view value, std::uint64_t line, int weight,
           std::string where = {});
  bool has(std::string_view field, std::string_view value) const;
};

// The rules. Each adds what it finds.
void read_kernels(const Scan& scan, Facts& facts);  // release, release_good, release_bad, tree
void judge_kernels(const Paragraph& paragraph, int age, Facts& facts);  // good and bad ones
void read_machine(const Scan& scan, Facts& facts);  // arch, cpus, hypervisor, cmdline
void read_configs(const Scan& scan, Facts& facts);  // config
void read_work(const Scan& scan, Facts& facts);     // workload, reproducer
void read_commits(const Scan& scan, Facts& facts);  // patch, fixes, bisected
void read_words(const Scan& scan, Facts& facts);

// What the log around a finding says: release, taint, command line, CPUs, machine.
void read_log(const Sheet& sheet, const console::Finding* finding, Facts& facts);

// The functions of a report's stacks, in order, each once.
std::vector<std::string> frames_in(std::string_view excerpt);
// Tokens of a kernel command line that `text` begins with.
std::vector<std::string> command_line_tokens(std::string_view text);
// "serial.log, line 20" for a row of unpacked text; else "".
std::string where_of(const Sheet& sheet, std::size_t row);

// A kernel's version in a text.
struct Version {
  std::string text;  // without "v"
  std::size_t at = 0, end = 0;
  bool full = false;  // marked as one: "v6.19", "6.19.3", "6.19-rc1"
};
std::vector<Version> versions_in(std::string_view text);

}  // namespace ktrial::mail
