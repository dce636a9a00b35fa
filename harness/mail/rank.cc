#include "harness/mail/rank.h"

#include <algorithm>
#include <array>
#include <set>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/console/frames.h"
#include "harness/console/kinds.h"
#include "harness/mail/understanding.h"

namespace ktrial::mail {
namespace {

using results::Kind;

// Words of people for a kind of failure.
const RE2* words_of(Kind kind) {
  struct Known {
    Kind kind;
    RE2 words;
  };
  static const Known kKnown[] = {
      {Kind::soft_lockup, "(?i)soft[ -]?lock-?up"},
      {Kind::hard_lockup, "(?i)hard[ -]?lock-?up"},
      {Kind::rcu_stall, "(?i)rcu.{0,24}stall|stall.{0,24}rcu|self-detected stall"},
      {Kind::hung_task, "(?i)hung|hangs?\\b|blocked for more"},
      {Kind::workqueue_lockup, "(?i)workqueue.{0,12}lock-?up"},
      {Kind::kasan, "(?i)kasan|use-after-free|out-of-bounds|\\buaf\\b"},
      {Kind::kfence, "(?i)kfence"},
      {Kind::kmsan, "(?i)kmsan|uninit"},
      {Kind::kcsan, "(?i)kcsan|data-race"},
      {Kind::ubsan, "(?i)ubsan|shift-out-of-bounds|array-index"},
      {Kind::gpf, "(?i)general.protection|\\bgpf\\b"},
      {Kind::null_dereference, "(?i)null.{0,12}deref|null.ptr|null pointer"},
      {Kind::oops, "(?i)oops|page fault|paging request"},
      {Kind::divide_error, "(?i)divide|division"},
      {Kind::bug, "(?i)kernel bug|\\bBUG at\\b"},
      {Kind::list_corruption, "(?i)list_(add|del)|list.{0,6}corruption|corrupted list"},
      {Kind::lockdep, "(?i)deadlock|lockdep|circular|locking dependency"},
      {Kind::atomic_sleep, "(?i)sleeping function|invalid context|scheduling while atomic"},
      {Kind::memory_leak, "(?i)leak"},
      {Kind::refcount, "(?i)refcount"},
      {Kind::panic, "(?i)panic"},
      {Kind::warning, "(?i)\\bWARN(ING|_ON\\w*)?\\b"},
      {Kind::suspicious_rcu, "(?i)suspicious rcu"}};
  for (const Known& known : kKnown)
    if (known.kind == kind) return &known.words;
  return nullptr;
}

std::string title_function(std::string_view title) {
  const std::size_t at = title.rfind(" in ");
  return at == title.npos ? std::string() : console::source_name(title.substr(at + 4));
}

int subject_speaks(const std::string& subject, const console::Finding& finding) {
  int out = 0;
  const std::string function = title_function(finding.title);
  if (function.size() > 3 && subject.find(function) != subject.npos) out += 2;
  if (finding.culprit.size() > 3 && finding.culprit != function &&
      subject.find(finding.culprit) != subject.npos)
    out += 2;
  if (const RE2* words = words_of(finding.kind); words && partial_match(subject, *words)) out += 1;
  return out;
}

// The words right before a log say that it is something else.
bool told_aside(const Sheet& sheet, std::size_t first) {
  static const RE2 kAside(
      R"((?i)\bunrelated\b|\bnot mine\b|\b(an)?other (thread|issue|bug|problem|one)\b|\bdifferent (bug|issue|problem)\b|\bseparate (bug|issue)\b|\bharmless\b|\bignore\b)");
  std::string before;
  for (std::size_t i = first, rows = 0; i-- > 0 && rows < 5; ++rows) {
    if (sheet.rows[i].kind == RowKind::log) break;
    before = std::string(sheet.rows[i].text) + " " + before;
  }
  return partial_match(before, kAside);
}

bool is_mild(int severity) { return severity <= console::severity_of(Kind::warning); }

}  // namespace

std::vector<std::string> frames_in(std::string_view excerpt) {
  std::vector<std::string> out;
  while (const auto line = take_line(excerpt)) {
    auto frame = console::parse_frame(*line);
    if (!frame) {
      // Behind a stamp, or another wrapping.
      const std::size_t at = line->find("]  ");
      frame = console::parse_frame(at == line->npos ? *line : line->substr(at + 1));
    }
    if (!frame) frame = console::parse_pointer(*line);
    if (!frame || frame->user || frame->uncertain || frame->symbol.empty()) continue;
    const std::string name = console::source_name(frame->symbol);
    if (out.size() < 64 && std::ranges::find(out, name) == out.end()) out.push_back(name);
  }
  return out;
}

std::vector<Candidate> candidates_of(const Scan& scan) {
  std::vector<Candidate> out;
  for (const Sheet& sheet : scan.sheets) {
    for (const console::Finding& finding : sheet.findings) {
      if (out.size() >= 32) return out;
      const std::size_t first = std::min<std::size_t>(finding.first_line, sheet.rows.size()) - 1;
      const Row& row = sheet.rows[first];
      Candidate& one = out.emplace_back();
      one.failure = {.title = finding.title,
                     .kind = finding.kind,
                     .culprit = finding.culprit,
                     .task = finding.task,
                     .frames = frames_in(finding.excerpt),
                     .line = row.number,
                     .where = where_of(sheet, first),
                     .foreign = scan.foreign(row.quotes)};
      one.age = scan.age(row.quotes);
      one.subject = subject_speaks(scan.message->subject, finding);
      one.aside = told_aside(sheet, first);
      one.severity = console::severity_of(finding.kind);
      read_log(sheet, &finding, one.log);
    }
    if (sheet.findings.empty() &&
        std::ranges::any_of(sheet.rows, [](const Row& row) { return row.kind == RowKind::log; })) {
      Candidate one;
      read_log(sheet, nullptr, one.log);
      one.failure.foreign = true;
      one.age = scan.age(0);
      if (!one.log.all.empty()) out.push_back(std::move(one));
    }
  }
  return out;
}

namespace {

// Fields of which a report has one value.
constexpr auto kSingle = std::to_array<std::string_view>(
    {"release", "tree", "arch", "cpus", "hypervisor", "taint", "patch", "bisected"});

bool is_single(std::string_view field) {
  return std::ranges::find(kSingle, field) != kSingle.end();
}

// The one that is reported, first.
void order(std::vector<Candidate>& candidates) {
  const bool told =
      std::ranges::any_of(candidates, [](const Candidate& c) { return c.subject > 0; });
  std::ranges::stable_sort(candidates, {}, [&](const Candidate& c) {
    // Where the subject is silent, a log's warnings come after what killed the machine.
    const bool mild = !told && is_mild(c.severity);
    return std::tuple(c.failure.foreign, c.aside, c.subject > 0 ? 0 : 1, c.age, mild, -c.subject);
  });
}

// "[syzbot] [mm?] possible deadlock in copy_process (9)": where no log came along.
void read_subject(Understanding& out) {
  static const RE2 kSyzbot(R"(\[syzbot\](?:\s*\[[^\]]*\])*\s+(.*?)(?:\s*\(\d+\))?\s*$)");
  std::string_view title;
  if (!partial_match(out.subject, kSyzbot, &title) || title.empty()) return;
  Failure failure{.title = std::string(title), .line = 1};
  failure.culprit = title_function(title);
  out.failures.push_back(std::move(failure));
}

// What a text says of a failure that left no log.
Kind kind_in_words(const Understanding& out) {
  static constexpr auto kKinds =
      std::to_array<Kind>({Kind::soft_lockup, Kind::hard_lockup, Kind::rcu_stall, Kind::hung_task,
                           Kind::kasan, Kind::null_dereference, Kind::gpf, Kind::list_corruption,
                           Kind::lockdep, Kind::panic, Kind::workqueue_lockup});
  for (const Kind kind : kKinds)
    if (partial_match(out.subject, *words_of(kind)) && kind != Kind::hung_task) return kind;
  static const RE2 kDead(
      R"((?i)\b(goes|went|is|gone) dead\b|\b(guest|machine|system|vm|box|laptop|kernel)\b.{0,24}\b(freezes?|froze|hangs?|hung|locks? up|stalls?|dead)\b|\bhangs?\b|\bfreezes?\b)");
  return partial_match(out.subject, kDead) ? Kind::silent_stall : Kind::none;
}

void add_failure_facts(Understanding& out, std::vector<Fact>& facts) {
  for (const Failure& failure : out.failures)
    facts.push_back({"signature", failure.title, failure.line, 100, failure.where});
  if (!out.failures.empty()) {
    const Failure& reported = out.failures.front();
    if (reported.kind != Kind::none)
      facts.push_back(
          {"kind", std::string(results::name(reported.kind)), reported.line, 100, reported.where});
    if (!reported.culprit.empty())
      facts.push_back({"culprit", reported.culprit, reported.line, 100, reported.where});
  } else if (const Kind kind = kind_in_words(out); kind != Kind::none) {
    facts.push_back({"kind", std::string(results::name(kind)), 1, 40, {}});
  }
}

// The weightiest value of each single field; the heavier of lists first.
std::vector<Fact> settle(std::vector<Fact> facts) {
  std::ranges::stable_sort(facts, std::greater{}, &Fact::weight);
  const auto good = [&](const Fact& fact) {
    return std::ranges::any_of(facts, [&](const Fact& other) {
      return other.field == "release_good" && other.value == fact.value;
    });
  };
  std::vector<Fact> out;
  std::set<std::pair<std::string, std::string>> told;
  std::set<std::string> single;
  for (const Fact& fact : facts) {
    // A kernel that a report calls good is not the one that failed, if another is named.
    if (fact.field == "release" && fact.weight < 90 && good(fact)) continue;
    if (is_single(fact.field) && !single.insert(fact.field).second) continue;
    if (told.insert({fact.field, fact.value}).second) out.push_back(fact);
  }
  return out;
}

// A kernel that failed is bad where another one is good.
void add_bad_release(std::vector<Fact>& facts) {
  const Fact* release = nullptr;
  bool good = false;
  for (const Fact& fact : facts) {
    if (fact.field == "release") release = &fact;
    good = good || fact.field == "release_good";
  }
  if (!release || !good) return;
  Fact bad = *release;
  bad.field = "release_bad";
  const auto same = [&](const Fact& fact) {
    return fact.field == bad.field && fact.value == bad.value;
  };
  // "6.19.6" is Debian's "6.19.6+deb13-amd64", too.
  constexpr int kOfLog = 90;
  std::erase_if(facts, [&](const Fact& fact) {
    return fact.field == "release_good" &&
           (fact.value == bad.value ||
            (bad.weight >= kOfLog && bad.value.starts_with(fact.value) &&
             (bad.value[fact.value.size()] == '+' || bad.value[fact.value.size()] == '-')));
  });
  if (std::ranges::none_of(facts, same)) facts.push_back(bad);
}

std::size_t place_of(std::string_view field) {
  static constexpr auto kOrder = std::to_array<std::string_view>(
      {"signature", "kind", "culprit", "release", "release_good", "release_bad", "tree", "arch",
       "cpus", "hypervisor", "cmdline", "config", "taint", "workload", "reproducer", "patch",
       "fixes", "bisected"});
  return static_cast<std::size_t>(std::ranges::find(kOrder, field) - kOrder.begin());
}

}  // namespace

void combine(std::vector<Facts> prose, std::vector<Candidate> candidates, Understanding& out) {
  order(candidates);
  std::vector<Fact> facts;
  bool log_taken = false;
  std::set<std::string> titles;
  for (Candidate& one : candidates) {
    if (!one.failure.title.empty() && titles.insert(one.failure.title).second)
      out.failures.push_back(one.failure);
    // The log of the failure that is reported; of none, any log's.
    const bool main = !one.failure.title.empty() && !one.failure.foreign && !log_taken;
    const bool any = candidates.size() == 1 || one.failure.title.empty();
    if (main || any)
      for (Fact& fact : one.log.all) {
        if (!main) fact.weight -= 10;
        facts.push_back(std::move(fact));
      }
    log_taken = log_taken || main;
  }
  if (out.failures.empty()) read_subject(out);
  for (Facts& one : prose) {
    std::ranges::move(one.all, std::back_inserter(facts));
    std::ranges::move(one.sources, std::back_inserter(out.sources));
    std::ranges::move(one.patches, std::back_inserter(out.patches));
    out.highest_cpu = std::max(out.highest_cpu, one.highest_cpu);
    for (auto& [word, seen] : one.words) {
      auto [at, fresh] = out.words.try_emplace(word, seen);
      if (fresh) continue;
      at->second.count += seen.count;
      at->second.matters = at->second.matters || seen.matters;
      at->second.acquitted = at->second.acquitted || seen.acquitted;
      if (seen.place < at->second.place) at->second.place = seen.place;
    }
  }
  // An attached program is whole; what stands in the text is often a short form.
  std::ranges::stable_partition(out.sources,
                                [](const Source& source) { return source.name != "inline"; });
  facts = settle(std::move(facts));
  add_bad_release(facts);
  add_failure_facts(out, facts);
  std::ranges::stable_sort(facts, {}, [](const Fact& fact) { return place_of(fact.field); });
  out.facts = std::move(facts);
}

}  // namespace ktrial::mail
