#include "harness/console/wrapping.h"

#include <re2/re2.h>

#include <array>
#include <cctype>
#include <memory>

#include "harness/console/line.h"

namespace ktrial::console {
namespace {

// A word in any language; months and weekdays are localized.
#define WORD R"([^\s\d\[\](){}<>|:;,.'"#=/\\+-]{1,12})"
#define TIME R"(\d\d?:\d\d:\d\d(?:[.,:]\d{1,9})?(?: ?[AaPp][Mm])?)"
#define ZONE \
  R"((?:Z| ?[+-]\d\d:?\d\d| (?:UTC|GMT|WES?T|CES?T|EES?T|[ECMP][SD]T|MSK|[JKIB]ST|AES?T|NZ[SD]T|HKT))?)"
#define DATE                                                                        \
  R"((?:(?:)" WORD                                                                  \
  R"(\.?,? )?\d{4}[-/.]\d\d[-/.]\d\d,?[T ]|\d\d?[-/.]\d\d?[-/.](?:\d{4}|\d\d),? |)" \
  R"(\d\d-\d\d |(?:\d{4}年)?\d{1,2}月 {0,2}\d{1,2}日? |)"                           \
  R"((?:)" WORD R"(\.?,? +)?(?:)" WORD R"(\.? {1,2}\d{1,2}|\d{1,2}\.? )" WORD       \
  R"(\.?),? (?:\d{4},? (?:at )?)?))"
#define STAMP R"((?:)" DATE R"()?)" TIME ZONE R"((?: \d{4})?)"

struct Word {
  char name;  // in the shape; a blank: not part of it
  const char* pattern;
  bool kernel = false;
};

// The first that matches is taken; then the next, until none does. Those that say more come first.
constexpr Word kWords[] = {
    // /dev/kmsg and netconsole's extended records
    {'m', R"((?:[\w.+-]+,)?\d{1,3},\d+,\d+,[-c+.](?:,[^;]{0,80})?;)", true},
    // dmesg -x
    {'l',
     R"((?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d) *:\w+ *: ?)"},
    // dmesg -T, -e, -d, --time-format=reltime, delta, iso
    {'T',
     R"(\[)" WORD R"(\.? )" WORD R"(\.? +\d{1,2} \d\d:\d\d:\d\d \d{4}(?: < *\d+\.\d{6}>)?\] ?)",
     true},
    {'D',
     R"(\[(?:)" WORD
     R"(\.? ? ?\d{1,2} \d\d:\d\d| *\+\d+\.\d{6}|(?: *\d+\.\d{6} )?< *\d+\.\d{6}>)\] ?)",
     true},
    {'I', R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{6}[+-]\d\d:?\d\d )", true},
    // syslog, RFC 5424 and RFC 3164, and what journalctl and other daemons make of it
    {'k',
     R"((?:<\d{1,3}>)?1 \d{4}-\d\d-\d\dT\S+ \S+ kernel \S+ \S+ (?:-|\[[^\]]{0,200}\]) ?(?:\x{feff})?)",
     true},
    {'k',
     R"((?:<\d{1,3}>)?\[?)" STAMP
     R"(\]?(?: +[^\s:\[\]]{1,80}(?:\[\d+\])?){0,4} +kernel(?:\[\d+\])?: ?)",
     true},
    {'k',
     R"((?:\d{9,10}\.\d{3,9}|\[ *\d+\.\d{3,9}\]|\d+)(?: +[^\s:\[\]]{1,80}(?:\[\d+\])?){0,3} +kernel(?:\[\d+\])?: ?)",
     true},
    // logcat; the kernel has no process
    {'a', R"(\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,6} +(?:\w+ +)?0 +0 [VDIWEF] (?:kernel)? *: )", true},
    {'a', R"(\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,6} +(?:\w+ +)?\d+ +\d+ [VDIWEF] [^:]{0,24}: )"},
    // any other time, perhaps in brackets, with GitLab's stream mark
    {'t', R"([\[(<]?)" STAMP R"([\])>]?(?: \d\d[OE]\+?)?(?:: | - | \| | ?[ \t]| *$))"},
    {'e', R"([\[(]?\d{9,10}(?:\.\d{3,9})?[\])]?:? )"},
    {'e', R"( *\d+\.\d{6}: +)"},
    {'e', R"(\[ *\d+\.\d+ +\d+\.\d+\] ?)"},
    // stamps that are not printk's own, or cut off
    {'s', R"(\[ *\d+\.\d{1,9}s?(?: *[/,@][^\]]{0,60})?\] ?)"},
    {'x', R"((?:[\d.]{0,12}\d)?\] )"},
    {'p', R"(<\d{1,3}>)"},
    // a caller, a vendor's CPU and task
    {'v', R"(\[ *[TC]\d+\] ?)"},
    {'v', R"((?:\.?\(\d+\)|[A-Z]?)\[\d+: *[^\]]{1,32}\] ?)"},
    {'v', R"(\[pid:\d+,cpu\d+,[^\]]{0,40}\] ?)"},
    {'v', R"(\(CPU:\d+-pid:\d+:[^)]{0,32}\) ?)"},
    {'v', R"(\[\d{1,3}\]\[\d+,[^\]]{1,32}\] ?)"},
    // records
    {'M', R"(\s*MESSAGE=)"},
    {'k', R"((?:[^\s:\[\]>|]{1,64} +)?kernel(?:\[\d+\])?: ?)"},
    // quotes, tables, several containers' output, numbered lines, lists, code
    {'q', R"((?:[A-Z]{1,3})?>+ ?)"},
    {'q', R"(\|+ ?)"},
    {'c', R"([\w.-]{1,64} +\| ?)"},
    {'n', R"( *\d{1,7}(?:\t|[:)] |[:-]\[|: ?$))"},
    {'f', R"([\w./~@+-]{1,200}[:-]\[)"},
    {'f', R"([\w/~@+-][\w./~@+-]{0,200}: ?)" STAMP R"( )"},
    {' ', R"([*+•-]\[)"},
    {' ', R"([*•] )"},
    {' ', "`{1,3}"},
};

// After a stamp fewer words are believed: the message may start like one.
constexpr const char* kAfterStamp =
    R"((?:)" DATE TIME R"( )?(?:[^\s:\[\]]{1,64} +)?kernel(?:\[\d+\])?: ?|)"
    R"( *(?:\.?\(\d+\)|[A-Z]?)\[\d+: *[^\]]{1,32}\] ?|\[\d{4}:\d\d:\d\d \d\d:\d\d:\d\d\]|)"
    R"(\[pid:\d+,cpu\d+,[^\]]{0,40}\] ?|\(CPU:\d+-pid:\d+:[^)]{0,32}\) ?|\[\d{1,3}\]\[\d+,[^\]]{1,32}\] ?|\(\d\d-\d\d \d\d:\d\d:\d\d\.\d+\) ?|<\d>|)"
    R"(c\d +\d+ +(?:\([^)]{1,16}\) ?)?)";

struct Compiled {
  std::array<std::unique_ptr<RE2>, std::size(kWords)> words;
  RE2 field{R"(\s*(?:[A-Z_][A-Z0-9_]{1,60}=|__[A-Z]+=))"};
  RE2 caller{R"(caller=([TC])(\d+))"};
  RE2 after_stamp{kAfterStamp};
  Compiled() {
    for (std::size_t i = 0; i < words.size(); ++i)
      words[i] = std::make_unique<RE2>(kWords[i].pattern);
  }
};
const Compiled& compiled() {
  static const Compiled& all = *new Compiled;
  return all;
}

// The length of the match at the start of `text`; 0 if there is none.
std::size_t match_start(const RE2& re, std::string_view text) {
  re2::StringPiece found;
  if (!re.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), RE2::ANCHOR_START,
                &found, 1))
    return 0;
  return found.size();
}

bool alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool wide(char c) { return (c & 0x80) != 0; }

}  // namespace

std::string_view skip_blanks(std::string_view text) {
  return text.substr(std::min(text.size(), text.find_first_not_of(" \t")));
}

Peeled peel(std::string_view clean) {
  constexpr int kMaxWords = 12;
  constexpr std::size_t kMaxPrefix = 512;
  const Compiled& all = compiled();
  Peeled out;
  for (int n = 0; n < kMaxWords; ++n) {
    const std::string_view rest = clean.substr(out.body, kMaxPrefix);
    const std::string_view text = rest.substr(std::min(rest.size(), rest.find_first_not_of(" \t")));
    if (text.empty() || starts_with_stamp(text)) break;
    // Message text starts with a letter, mostly; of the words only few do.
    std::size_t length = 0;
    const Word* word = nullptr;
    for (std::size_t i = 0; i < std::size(kWords) && length == 0; ++i)
      if ((length = match_start(*all.words[i], text)) > 0) word = &kWords[i];
    if (length == 0) break;
    const std::string_view matched = text.substr(0, length);
    if (matched.ends_with('[') && (word->name == 'n' || word->name == 'f' || word->name == ' ')) {
      // The bracket only shows that a stamp may follow.
      if (!is_stamp(text, length - 1)) break;
      --length;
    }
    if (word->name == 'f' && matched.ends_with(' ')) length = matched.find(':') + 1;
    if (word->name == 'l') (matched.starts_with("kern") ? out.kernel : out.others) = true;
    if (word->name == 'k') {
      out.escaped = true;
      // Alone it may be the start of a sentence; behind a time it is syslog.
      if (!word->kernel && out.shape != 0) out.kernel = true;
    }
    if (word->name == 'm') {
      std::string type;
      int id = 0;
      if (RE2::PartialMatch(re2::StringPiece(matched.data(), matched.size()), all.caller, &type,
                            &id)) {
        out.caller_type = type[0];
        out.caller = id;
      }
      out.hex_escaped = true;
    }
    out.kernel = out.kernel || word->kernel;
    if (word->name != ' ') out.shape = out.shape * 131 + static_cast<unsigned char>(word->name);
    out.body = static_cast<std::size_t>(text.data() - clean.data()) + length;
    if (out.body >= clean.size()) break;
  }
  const std::string_view body = clean.substr(out.body);
  if (!out.kernel && body.find('=') != body.npos && match_start(all.field, body) > 0 &&
      !body.starts_with("MESSAGE="))
    out.noise = true;
  return out;
}

std::size_t peel_after_stamp(std::string_view body) {
  if (body.empty()) return 0;
  std::size_t at = 0;
  for (int n = 0; n < 3; ++n) {
    const std::string_view rest = body.substr(at, 160);
    if (rest.empty()) break;
    const char c = rest.front();
    const bool may = c == '[' || c == '(' || c == '.' || c == '<' || c == 'c' ||
                     (c == ' ' && rest.find('[') < 8) || (rest.size() > 1 && rest[1] == '[') ||
                     rest.substr(0, 100).find("kernel") != rest.npos;
    const std::size_t length = may ? match_start(compiled().after_stamp, rest) : 0;
    if (length == 0) break;
    at += length;
  }
  return at;
}

std::string_view without_closing(std::string_view text, std::string_view before) {
  if (text.ends_with("\",") && before.find('"') != before.npos) text.remove_suffix(1);
  for (const char c : {'`', '"', '\'', '|'})
    if (before.find(c) != before.npos && text.ends_with(c)) {
      text.remove_suffix(1);
      text = text.substr(0, text.find_last_not_of(' ') + 1);
    }
  return text;
}

std::string form_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const char kind = alnum(c) ? 'w' : wide(c) ? 'u' : c == '\t' ? ' ' : c;
    if ((kind == 'w' || kind == 'u' || kind == ' ') && !out.empty() && out.back() == kind) continue;
    out.push_back(kind);
  }
  // Further blanks at the end are the wrapping's, or the message's: their number matters.
  const std::size_t end = text.find_last_not_of(" \t") + 1;
  if (text.size() > end) out.append(text.size() - end - 1, ' ');
  return out;
}

std::size_t match_form(std::string_view form, std::string_view line) {
  std::size_t at = 0;
  const std::size_t tail = form.find_last_not_of(' ') + 1;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (at >= line.size()) return line.npos;
    const bool last = i >= tail;
    if (form[i] == 'w') {
      if (!alnum(line[at])) return line.npos;
      while (at < line.size() && alnum(line[at])) ++at;
    } else if (form[i] == 'u') {
      if (!wide(line[at])) return line.npos;
      while (at < line.size() && wide(line[at])) ++at;
    } else if (form[i] == ' ') {
      if (line[at] != ' ' && line[at] != '\t') return line.npos;
      ++at;  // of the last blanks only one: the others are the message's
      while (!last && at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
    } else if (line[at++] != form[i]) {
      return line.npos;
    }
  }
  return at;
}

}  // namespace ktrial::console
