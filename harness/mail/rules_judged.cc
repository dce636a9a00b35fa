// Rules for kernels that a report calls good or bad.
#include <algorithm>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/mail/facts.h"

namespace ktrial::mail {
namespace {

enum class Judged { no, good, bad };

// Parts of patterns. What fails, what stands between a word and a version, what stands before one.
#define FAILS                                                                                      \
  R"((?:happen|occur|reproduce|trigger|show(?: up)?|fail|crash|hang|freeze|panic|oops|stall|see|)" \
  R"(appear|exist|manifest|lock up))"
#define AT R"((?:is|was|in|on|with|under|for|using|at|as of|since|:|=|->))"
#define KERNEL R"((?:kernels?|releases?|versions?|tags?|series))"
#define BEFORE_IT \
  R"(\s*(?:the |both |plain |old |latest |current |vanilla |release |kernels?|linux|version|tag )*\s*[`"'(]?$)"

// What the words right behind a version say of it.
Judged judge_after(std::string_view after) {
  static const RE2 kGood(
      R"((?i)^[\s,:;()|=>*-]*(which |that |it |kernels? |series |(?:from|with|on|in|of) [\w' ]{1,32}? )?(still |also |again |all )*((is|was|are|were|seems?|looks?|appears?|be|has been) (still |also |again |all |completely |perfectly |known |to be )*(good|fine|ok(ay)?|clean|stable|unaffected|not affected|working|healthy|problem[- ]?free)|works?\b|worked|(runs|ran|boots|booted)\b.{0,40}\b(hours|days|weeks|fine|well|stable|without|ok)|(does|did|do)( not|n't) (do|show|have|exhibit|hang|crash|freeze|fail|trigger|happen|suffer|reproduce|seem)|(does|did|do)( not|n't)\s*[.,;)!]?\s*$|never (did|failed|hung|crashed|showed)|had no |has no |no (crash|problem|issue|hang|failure|oops)|passe[sd]|survive[sd]?|(good|fine|ok(ay)?|pass)\b))");
  static const RE2 kBad(
      R"((?i)^[\s,:;()|=>*-]*(which |that |it |kernels? |series )?(still |also |again |all )*((is|was|are|were|seems?) (still |also |again |all |known )*(bad|broken|affected|buggy|failing|faulty)|fail(s|ed)?\b|hangs?\b|hung|crash(e[sd])?\b|freezes?|froze|oops(es)?\b|panics?\b|stalls?\b|locks up|locked up|goes dead|(has|had|shows|showed|exhibits) (exactly )?(the|this) (very )?(same )?(problem|bug|issue|regression)|(does|did)( not|n't) (boot|work)|(bad|broken|ko|nok)\b))");
  if (partial_match(after, kGood)) return Judged::good;
  return partial_match(after, kBad) ? Judged::bad : Judged::no;
}

// What the words right before it say.
Judged judge_before(std::string_view before) {
  static const RE2 kGood(
      R"((?i)\b(?:good|fine|ok(?:ay)?|works?|worked|working|clean|stable|last (?:known )?(?:good|working)(?: \w+)?|not (?:reproducible|seen|happening|affected|present)|no (?:problems?|issues?|such \w+)|can(?:no|')t reproduce|(?:could|can|did|am|was) ?n[o']t (?:able to )?(?:reproduce|see|trigger)(?: it| this)?|unable to (?:reproduce|see|trigger)(?: it| this)?|never seen|(?:does|did|do)(?: not|n't) )" FAILS
      R"((?: it| this)?(?: here| any ?more| again)?|no longer (?:)" FAILS
      R"(s?|reproducible|seen|present|there|an issue)|(?:fixed|solved|resolved|gone))\s*)" KERNEL
      R"(?\s*(?:)" AT R"(|up to|until|till)*)" BEFORE_IT);
  static const RE2 kBad(
      R"((?i)\b(?:bad|broken|first (?:known )?bad|fails?|failing|crash(?:es|ed)?|hangs|hung|freezes|panics|oopses|reproduc(?:ed|ible|es)|(?:can|could|able to|easily|also|still) reproduce|happens|seen|occurs|affected|triggers?|introduced|started|starts|began|begins|appeared|appears|regressed|(?:see|have|get|got|hit|observe)(?: also| too)? (?:it|this|that|(?:exactly )?the same)(?: \w+)?)\s*(?:it |this |that |the (?:\w+ )?\w+ )?\s*)" KERNEL
      R"(?\s*)" AT BEFORE_IT);
  static const RE2 kUnsure(
      R"((?i)\b(?:not|never|n't|untested|untried|should|will|would|might|may|unable|cannot)\b)");
  // What a tree of the future has, nobody has seen work.
  static const RE2 kPlanned(R"((?i)\b(?:should|will|would|might|may|to) (?:be|get)\b)");
  // "A guest with two CPUs does not freeze on 6.19.6 either" speaks of that guest.
  static const RE2 kOfAnother(
      R"((?i)\b(?:with|on|in|without|if|unless|only)\b[^.;]{0,40}?(?:\b(?:v?cpus?|cores?|threads|machine|laptop|desktop|server|box|hardware|guest|hypervisor|options?|parameters?|compiler|gcc|clang|config)\b|-smp|CONFIG_))");
  if (partial_match(before, kGood))
    return partial_match(before, kPlanned) || partial_match(before, kOfAnother) ? Judged::no
                                                                                : Judged::good;
  return partial_match(before, kBad) && !partial_match(before, kUnsure) ? Judged::bad : Judged::no;
}

// "Since 6.14.9 it hangs", "Going back to 6.14.8 helps": both sides together say it.
Judged judge_around(std::string_view before, std::string_view after) {
  static const RE2 kSince(
      R"((?i)^\W*(?:ever )?since\s+(?:the )?(?:(?:upgrad|updat|mov|switch)\w+ )?(?:to )?)" BEFORE_IT);
  static const RE2 kFails(
      R"((?i)\b(?:hangs?|hung|freez\w*|froze|crash\w*|fails?|broken|panics?|oops\w*|stalls?|locks? up|lockups?|no longer (?:works?|boots?|resumes?)|does(?: not|n't) (?:work|boot|resume))\b)");
  static const RE2 kBack(
      R"((?i)\b(?:downgrad\w+|(?:go|going|went|roll\w*|switch\w*|boot\w*) back|revert\w*|return\w*)\s*(?:to|into)\s*(?:the )?)" KERNEL
      "?" BEFORE_IT);
  static const RE2 kHelps(
      R"((?i)^\W*(?:also |again )*(?:fix|help|resolve|solve|cure|ma(?:k|d)e|get|got|work|and (?:it|all|everything) (?:works|is (?:fine|ok|good|gone))))");
  if (partial_match(before, kSince) && partial_match(after, kFails)) return Judged::bad;
  if (partial_match(before, kBack) && partial_match(after, kHelps)) return Judged::good;
  return Judged::no;
}

Judged judge(std::string_view before, std::string_view after) {
  // "..., broken with" the next one.
  static const RE2 kOfNext(
      R"((?i)^\s*[,;(]?\s*(?:and |but |while )?(?:it )?[\w'-]+(?: \w+)? (?:with|on|in|under|using|since|from|at)\s*(?:the |kernel |linux )*$)");
  if (partial_match(after, kOfNext)) after = {};
  for (const Judged judged :
       {judge_around(before, after), judge_after(after), judge_before(before)})
    if (judged != Judged::no) return judged;
  return Judged::no;
}

void add(Judged judged, std::string_view version, std::uint64_t line, int weight, Facts& facts) {
  if (judged == Judged::good) facts.add("release_good", version, line, weight);
  if (judged == Judged::bad) facts.add("release_bad", version, line, weight);
}

// "6.1.140 and 6.6.93 are not affected": what is said of one of a list is said of all.
void spread(std::string_view sentence, const std::vector<Version>& versions,
            std::vector<Judged>& judged) {
  static const RE2 kList(
      R"((?i)^[\s"'`)(]*(?:,|and|or|&|/|, ?and|as well as)\s*(?:the |also |with |on |in |kernels? |linux |v)*[\s"'`(]*$)");
  for (std::size_t from = 0; from < versions.size();) {
    std::size_t to = from + 1;
    while (
        to < versions.size() &&
        partial_match(sentence.substr(versions[to - 1].end, versions[to].at - versions[to - 1].end),
                      kList))
      ++to;
    const auto first = judged.begin() + static_cast<long>(from);
    const auto last = judged.begin() + static_cast<long>(to);
    const bool good = std::find(first, last, Judged::good) != last;
    const bool bad = std::find(first, last, Judged::bad) != last;
    if (good != bad) std::replace(first, last, Judged::no, good ? Judged::good : Judged::bad);
    from = to;
  }
}

// "Since we went from 6.18 to 6.19 they freeze", "it broke between 6.18 and 6.19".
void judge_change(std::string_view sentence, std::uint64_t line, int age, Facts& facts) {
#define RELEASE R"((?:kernel |linux )?v?(\d+\.\d[\w.+-]*))"
  static const RE2 kChange(
      R"((?i)\b(?:since|after|when|regress\w+|upgrad\w+|updat\w+|mov\w+|switch\w+)\b[^.]{0,80}\bfrom )" RELEASE
      R"((?: \([^)]*\))? to )" RELEASE);
  static const RE2 kBetween(
      R"((?i)\b(?:regress\w*|broke\w*|appear\w*|introduced|started|happened|began|went wrong)\b[^.]{0,60}\bbetween )" RELEASE
      " and " RELEASE);
#undef RELEASE
  static const RE2 kMended(
      R"((?i)\b(?:fix\w*|help\w*|solve[sd]?|resolve[sd]?|gone|mended|fine|no longer (?:happens|hangs|fails|crashes|occurs))\b)");
  std::string_view good, bad;
  if (!partial_match(sentence, kChange, &good, &bad) &&
      !partial_match(sentence, kBetween, &good, &bad))
    return;
  if (partial_match(sentence, kMended)) return;
  facts.add("release_good", trimmed(good, ".,"), line, 60 - age);
  facts.add("release_bad", trimmed(bad, ".,"), line, 60 - age);
}

// "#regzbot introduced: v6.14..v6.15".
bool read_regzbot(const Paragraph& paragraph, int age, Facts& facts) {
  static const RE2 kRange(
      R"(#regzbot\s+(?:\^\s*)?introduced:?\s*(?:v?(\d+\.\d[\w-]*(?:\.\d[\w-]*)?)\.{2,3})?v?(\d+\.\d[\w.-]*))");
  std::string_view good, bad;
  if (!partial_match(paragraph.text, kRange, &good, &bad)) return false;
  if (!good.empty()) facts.add("release_good", good, paragraph.line_of(0), 75 - age);
  facts.add("release_bad", trimmed(bad, ".,"), paragraph.line_of(0), 75 - age);
  return true;
}

}  // namespace

void judge_kernels(const Paragraph& paragraph, int age, Facts& facts) {
  if (read_regzbot(paragraph, age, facts)) return;
  for (const auto& [offset, sentence] : sentences(paragraph.text)) {
    judge_change(sentence, paragraph.line_of(offset), age, facts);
    const auto versions = versions_in(sentence);
    std::vector<Judged> judged;
    for (std::size_t i = 0; i < versions.size(); ++i) {
      const std::size_t from = i == 0 ? 0 : versions[i - 1].end;
      const std::size_t to = i + 1 < versions.size() ? versions[i + 1].at : sentence.size();
      judged.push_back(judge(sentence.substr(from, versions[i].at - from),
                             sentence.substr(versions[i].end, to - versions[i].end)));
    }
    spread(sentence, versions, judged);
    for (std::size_t i = 0; i < versions.size(); ++i)
      add(judged[i], versions[i].text, paragraph.line_of(offset + versions[i].at), 70 - age, facts);
  }
}

#undef FAILS
#undef AT
#undef KERNEL
#undef BEFORE_IT

}  // namespace ktrial::mail
