#include "results/report/fake_reader.h"

#include <algorithm>
#include <pugixml.hpp>
#include <set>

#include "harness/base/text.h"
#include "results/report/report.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {

// Nothing that printable() would escape.
std::string unsafe_line(std::string_view document) {
  while (const auto line = take_line(document))
    if (printable(*line) != *line) return "unsafe: " + printable(line->substr(0, 200));
  return {};
}

std::size_t attribute(const pugi::xml_node& node, const char* name) {
  return node.attribute(name).as_ullong(1u << 30);
}

std::string problem_of_suite(const pugi::xml_node& suite) {
  std::size_t tests = 0, failures = 0, errors = 0, skipped = 0;
  for (const pugi::xml_node& one : suite.children("testcase")) {
    ++tests;
    failures += one.child("failure") ? 1 : 0;
    errors += one.child("error") ? 1 : 0;
    skipped += one.child("skipped") ? 1 : 0;
    if (std::string_view(one.attribute("name").value()).empty()) return "a case without a name";
  }
  if (tests == 0) return "an empty suite";
  if (attribute(suite, "tests") != tests || attribute(suite, "failures") != failures ||
      attribute(suite, "errors") != errors || attribute(suite, "skipped") != skipped)
    return std::string("wrong counts in ") + suite.attribute("name").value();
  return {};
}

// One level of KTAP: the version, the subtests' plan, the results in order. Ends before what is
// less indented.
class KtapReader {
 public:
  explicit KtapReader(std::string_view text) : text_(text) {}
  std::string whole() {
    std::string problem = level(0, "");
    if (problem.empty() && !text_.empty())
      problem = "more after the end: " + std::string(text_.substr(0, 80));
    return problem;
  }

 private:
  std::string_view peek() const { return text_.substr(0, text_.find('\n')); }
  std::string_view take() { return take_line(text_).value_or(std::string_view()); }
  static std::string indent(std::size_t depth) { return std::string(2 * depth, ' '); }
  bool comment(std::size_t depth) const {
    return peek().starts_with(indent(depth) + "#   ") || peek() == indent(depth) + "#";
  }

  std::string level(std::size_t depth, std::string* name) {
    if (take() != indent(depth) + "KTAP version 1")
      return "no version at depth " + std::to_string(depth);
    const std::string header = indent(depth) + "# Subtest: ";
    if (depth > 0) {
      if (!peek().starts_with(header)) return "no name";
      *name = take().substr(header.size());
    }
    std::string_view plan = take();
    if (!plan.starts_with(indent(depth) + "1..")) return "no plan: " + std::string(plan);
    const auto tests = to_number<std::size_t>(plan.substr(2 * depth + 3));
    if (!tests) return "odd plan: " + std::string(plan);
    for (std::size_t i = 1; i <= *tests; ++i)
      if (std::string problem = test(depth, i); !problem.empty()) return problem;
    return {};
  }
  std::string level(std::size_t depth, const char*) {
    std::string none;
    return level(depth, &none);
  }
  std::string test(std::size_t depth, std::size_t number) {
    std::string name;
    while (comment(depth)) take();
    if (peek() == indent(depth + 1) + "KTAP version 1")
      if (std::string problem = level(depth + 1, &name); !problem.empty()) return problem;
    while (comment(depth) || comment(depth + 1)) take();
    std::string_view line = take();
    const std::string start = std::to_string(number) + " - ";
    if (!line.starts_with(indent(depth))) return "not indented: " + std::string(line);
    line.remove_prefix(2 * depth);
    for (const std::string_view word : {"ok ", "not ok "})
      if (line.starts_with(word) && line.substr(word.size()).starts_with(start)) {
        std::string_view rest = line.substr(word.size() + start.size());
        const std::string_view said = rest.substr(0, rest.find(" # "));
        if (said.find('#') != said.npos || said.empty()) return "odd name: " + std::string(line);
        if (!name.empty() && said != name) return "another name: " + std::string(line);
        if (rest.size() > said.size() && rest.substr(said.size() + 3).find('#') != rest.npos)
          return "two directives: " + std::string(line);
        return {};
      }
    return "no result " + std::to_string(number) + ": " + std::string(line);
  }
  std::string_view text_;
};

std::string problem_of_part(const Json& document, const char* list, std::set<std::string>& ids,
                            const std::string& origin) {
  const auto part = document.find(list);
  if (part == document.end() || !part->is_array()) return std::string("no list ") + list;
  for (const Json& one : *part) {
    const std::string id = one.value("id", "");
    if (!id.starts_with(origin + ":") || one.value("origin", "") != origin) return "odd id " + id;
    if (!ids.insert(id).second) return "id twice: " + id;
  }
  return {};
}

}  // namespace

std::string problem_of_xml(const std::string& document) {
  if (std::string problem = unsafe_line(document); !problem.empty()) return problem;
  // A reference to what XML lacks is no way around that.
  for (std::size_t at = 0; (at = document.find("&#", at)) != std::string::npos; ++at) {
    const std::string_view number = std::string_view(document).substr(at + 2, 8);
    const auto code = to_number<unsigned>(number.substr(0, number.find(';')));
    if (!code || (*code < 0x20 && *code != '\n' && *code != '\t'))
      return "&#" + std::string(number);
  }
  pugi::xml_document xml;
  const pugi::xml_parse_result result = xml.load_buffer(
      document.data(), document.size(), pugi::parse_full & ~pugi::parse_eol, pugi::encoding_utf8);
  if (result) return {};
  const auto at = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, result.offset));
  return std::string(result.description()) + " at " + document.substr(at > 60 ? at - 60 : 0, 120);
}

std::string problem_of_junit(const std::string& document) {
  if (std::string problem = problem_of_xml(document); !problem.empty()) return problem;
  pugi::xml_document xml;
  xml.load_buffer(document.data(), document.size());
  for (const pugi::xml_node& suite : xml.child("testsuites").children("testsuite"))
    if (std::string problem = problem_of_suite(suite); !problem.empty()) return problem;
  return xml.child("testsuites") ? "" : "no testsuites";
}

namespace {

// What may stand in a link: a place in the page, a file beside it, a web page that the plan names.
bool is_fine_link(std::string_view link) {
  if (link.starts_with("#") || link.starts_with("https://") || link.starts_with("http://"))
    return true;
  return link.find(':') == link.npos && link.find("//") == link.npos && !link.starts_with('/');
}

struct Page : pugi::xml_tree_walker {
  std::string problem;
  std::size_t scripts = 0;
  bool for_each(pugi::xml_node& node) override {
    static const std::set<std::string> kRefused = {"iframe", "object", "embed",        "base",
                                                   "link",   "form",   "foreignObject"};
    if (kRefused.contains(node.name())) problem = std::string("element ") + node.name();
    scripts += std::string_view(node.name()) == "script" ? 1 : 0;
    for (const pugi::xml_attribute& one : node.attributes()) {
      const std::string_view key = one.name(), value = one.value();
      if (key.starts_with("on") || key == "style") problem = std::string("attribute ") + one.name();
      if (key == "href" && !is_fine_link(value)) problem = std::string("link ") + one.value();
      if (key == "src" && !value.starts_with("data:image/svg+xml;base64,")) problem = "src";
    }
    return problem.empty();
  }
};

}  // namespace

std::string problem_of_html(const std::string& document) {
  if (std::string problem = problem_of_xml(document); !problem.empty()) return problem;
  pugi::xml_document xml;
  xml.load_buffer(document.data(), document.size());
  Page page;
  xml.traverse(page);
  if (!page.problem.empty()) return page.problem;
  const std::string policy =
      xml.select_node("//meta[@http-equiv]").node().attribute("content").value();
  if (policy.find("default-src 'none'") == policy.npos || policy.find("unsafe") != policy.npos)
    return "policy " + policy;
  return page.scripts == 1 ? "" : std::to_string(page.scripts) + " scripts";
}

std::string problem_of_ktap(const std::string& document) {
  if (std::string problem = unsafe_line(document); !problem.empty()) return problem;
  for (const char* end :
       {"List of all partitions:", "Kernel panic - not syncing: VFS:", "reboot: System halted"})
    if (document.find(end) != std::string::npos) return std::string("kunit.py stops at ") + end;
  return KtapReader(document).whole();
}

std::string problem_of_kcidb(const std::string& document, const std::string& origin) {
  const auto json = parse_json(document);
  if (!json) return "no JSON";
  if (document.find("\\u0000") != std::string::npos) return "a NUL";
  std::set<std::string> ids;
  for (const char* list : {"checkouts", "builds", "tests", "issues", "incidents"})
    if (std::string problem = problem_of_part(*json, list, ids, origin); !problem.empty())
      return problem;
  static const std::set<std::string> kStatuses = {"FAIL", "ERROR", "MISS", "PASS", "SKIP"};
  for (const Json& test : (*json)["tests"]) {
    if (!ids.contains(test.value("build_id", ""))) return "a test of no build";
    if (!kStatuses.contains(test.value("status", "")))
      return "a status " + test.value("status", "");
    if (test.value("log_excerpt", "").size() > 16384) return "a long excerpt";
  }
  for (const Json& build : (*json)["builds"])
    if (!ids.contains(build.value("checkout_id", ""))) return "a build of no checkout";
  for (const Json& incident : (*json)["incidents"])
    if (!ids.contains(incident.value("test_id", "")) ||
        !ids.contains(incident.value("issue_id", "")))
      return "an incident of nothing";
  return {};
}

std::string problem_of_mail(const std::string& document) {
  if (std::string problem = unsafe_line(document); !problem.empty()) return problem;
  std::string_view text = document;
  bool headers = true;
  std::string seen;
  while (const auto line = take_line(text)) {
    const auto columns = std::ranges::count_if(
        *line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
    if (columns > 72 || line->find('\t') != line->npos) return "a long line: " + std::string(*line);
    if (headers && line->empty()) {
      headers = false;
    } else if (headers) {
      if (!line->starts_with(' '))
        seen += std::string(line->substr(0, line->find(':'))) + ",";
      else if (trimmed(*line).empty())
        return "an empty line that folds";
    } else {
      for (const char* magic : {"From ", ">From ", "diff ", "Index: ", "---", "-- "})
        if (line->starts_with(magic)) return "a line that means something: " + std::string(*line);
    }
  }
  return seen == "Subject,MIME-Version,Content-Type,Content-Transfer-Encoding,"
             ? ""
             : "headers: " + seen;
}

}  // namespace ktrial::results
