// KTAP version 1, as Documentation/dev-tools/ktap.rst of the kernel has it and its kunit.py reads
// it.
#include <algorithm>

#include "harness/base/text.h"
#include "results/report/batch.h"
#include "results/report/suite.h"
#include "results/report/text.h"

namespace ktrial::results {
namespace {

// A '#' would begin a directive. A description has none.
std::string without_hash(std::string_view text) {
  std::string out;
  for (const char c : text) c == '#' ? out += "\\x23" : out += c;
  return out;
}

// Names are compared by readers: no blanks at the ends, and not that of the test around it, by
// which kunit.py knows that it ends.
std::string description_of(const Case& one, std::string_view parent) {
  std::string out(trimmed(without_hash(one.name)));
  if (out.empty()) out = "unnamed";
  return out == parent ? out + "_" : out;
}

// kunit.py stops reading at words with which a console ends (KTAP_END), wherever in a line.
std::string diagnostic(std::string line) {
  for (const std::string_view end :
       {"List of all partitions:", "Kernel panic - not syncing: VFS:", "reboot: System halted"})
    for (std::size_t at = 0; (at = line.find(end, at)) != std::string::npos;)
      line.replace(line.find(':', at), 1, "\\x3a");
  return line;
}

// "ok" or "not ok", and the directive.
struct Words {
  const char *result, *directive;
};
Words words_of(const Case& one) {
  switch (one.result) {
    case CaseResult::pass:
      return {"ok", ""};
    case CaseResult::fail:
      return {"not ok", one.type == "timeout" ? "TIMEOUT" : ""};
    case CaseResult::error:
      return {"not ok", "ERROR"};
    case CaseResult::skip:
      return {"ok", "SKIP"};
    case CaseResult::known:
      return {"ok", "XFAIL"};
  }
  return {"not ok", "ERROR"};
}

bool is_bad(const Case& one) {
  return one.result == CaseResult::fail || one.result == CaseResult::error;
}

// kunit.py takes the result of a test with subtests from these alone: what the kernel did
// while all of them passed must be among them.
std::vector<Case> parts_of(const Case& test) {
  std::vector<Case> parts = test.parts;
  if (is_bad(test) && std::ranges::none_of(parts, is_bad))
    parts.push_back({.name = "verdict", .result = test.result, .message = test.message});
  return parts;
}

class Writer {
 public:
  void suites(const std::vector<Suite>& suites) {
    begin(suites.size(), 0);
    for (std::size_t i = 0; i < suites.size(); ++i) suite(suites[i], i + 1);
  }
  std::string take() { return std::move(out_); }

 private:
  void line(std::size_t depth, const std::string& text) {
    out_.append(2 * depth, ' ');
    out_ += diagnostic(text);
    while (out_.ends_with(' ')) out_.pop_back();
    out_ += '\n';
  }
  void begin(std::size_t tests, std::size_t depth, const std::string& name = {}) {
    line(depth, "KTAP version 1");
    if (!name.empty()) line(depth, "# Subtest: " + name);
    line(depth, "1.." + std::to_string(tests));
  }
  void result(std::size_t depth, std::size_t number, const std::string& name, Words words,
              const std::string& message) {
    std::string tail = words.directive;
    const std::string said = without_hash(trimmed(message));
    if (!said.empty()) tail += (tail.empty() ? "" : " ") + said;
    line(depth, std::string(words.result) + " " + std::to_string(number) + " - " + name +
                    (tail.empty() ? "" : " # " + tail));
  }
  void one(const Case& test, std::size_t number, std::size_t depth, std::string_view parent) {
    const std::string name = description_of(test, parent);
    if (!test.parts.empty()) {
      const std::vector<Case> parts = parts_of(test);
      begin(parts.size(), depth + 1, name);
      for (std::size_t i = 0; i < parts.size(); ++i) one(parts[i], i + 1, depth + 1, name);
    }
    for (const std::string& text : test.detail) line(depth, "#   " + text);
    if (test.seconds > 0) line(depth, "#   duration_s: " + fixed(test.seconds, 3));
    result(depth, number, name, words_of(test), test.message);
  }
  void suite(const Suite& suite, std::size_t number) {
    const std::string name = description_of({.name = suite.name}, "");
    begin(suite.cases.size(), 1, name);
    for (const auto& [key, value] : suite.properties) line(1, "#   " + key + ": " + value);
    bool ok = true, skipped = true;
    for (std::size_t i = 0; i < suite.cases.size(); ++i) {
      const CaseResult result = suite.cases[i].result;
      ok = ok && !is_bad(suite.cases[i]);
      skipped = skipped && result == CaseResult::skip;
      one(suite.cases[i], i + 1, 1, name);
    }
    result(0, number, name, {ok ? "ok" : "not ok", ok && skipped ? "SKIP" : ""}, "");
  }
  std::string out_;
};

}  // namespace

std::string ktap(const std::vector<Suite>& suites) {
  Writer writer;
  writer.suites(suites);
  return writer.take();
}

std::string batch_ktap(const BatchRecord& batch) { return ktap(suites_of(batch)); }
std::string campaign_ktap(const CampaignRecord& campaign, const CampaignEvidence& evidence) {
  return ktap(suites_of(campaign, evidence));
}

}  // namespace ktrial::results
