// JUnit's XML, in the dialect of Jenkins' xUnit plugin (junit-10.xsd): what GitLab, Jenkins and
// most others read. pugixml escapes markup; strings of a Suite hold no character that XML lacks.
#include <chrono>
#include <pugixml.hpp>
#include <sstream>

#include "results/report/batch.h"
#include "results/report/suite.h"
#include "results/report/text.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {

struct Counts {
  std::size_t tests = 0, failures = 0, errors = 0, skipped = 0;
  double seconds = 0;
};

void count(Counts& totals, const Case& one) {
  ++totals.tests;
  totals.failures += one.result == CaseResult::fail ? 1 : 0;
  totals.errors += one.result == CaseResult::error ? 1 : 0;
  totals.skipped += one.result == CaseResult::skip || one.result == CaseResult::known ? 1 : 0;
  for (const Case& part : one.parts) count(totals, part);
}

Counts counts_of(const Suite& suite) {
  Counts out;
  for (const Case& one : suite.cases) {
    count(out, one);
    out.seconds += one.seconds > 0 ? one.seconds : 0;
  }
  return out;
}

void put(pugi::xml_node& node, const char* name, const std::string& value) {
  node.append_attribute(name).set_value(value.c_str());
}

void put_totals(pugi::xml_node& node, const Counts& totals) {
  put(node, "tests", std::to_string(totals.tests));
  put(node, "failures", std::to_string(totals.failures));
  put(node, "errors", std::to_string(totals.errors));
}

const char* element_of(CaseResult result) {
  switch (result) {
    case CaseResult::pass:
      break;
    case CaseResult::fail:
      return "failure";
    case CaseResult::error:
      return "error";
    case CaseResult::skip:
    case CaseResult::known:
      return "skipped";
  }
  return nullptr;
}

// Subtests follow as cases of the class "SUITE.TRIAL": readers do without nested suites.
void put_case(pugi::xml_node& suite, const Case& one, const std::string& parent) {
  pugi::xml_node node = suite.append_child("testcase");
  put(node, "name", one.name);
  put(node, "classname", parent);
  put(node, "time", fixed(one.seconds > 0 ? one.seconds : 0, 3));
  if (const char* element = element_of(one.result)) {
    pugi::xml_node told = node.append_child(element);
    const std::string type = one.result == CaseResult::known ? "known" : one.type;
    if (!type.empty()) put(told, "type", type);
    put(told, "message", one.message);
    std::string detail;
    for (const std::string& line : one.detail) detail += line + "\n";
    if (!detail.empty()) told.text().set(detail.c_str());
  }
  for (const Case& part : one.parts) put_case(suite, part, parent + "." + one.name);
}

void put_suite(pugi::xml_node& root, const Suite& suite) {
  const Counts totals = counts_of(suite);
  pugi::xml_node node = root.append_child("testsuite");
  put(node, "name", suite.name);
  put_totals(node, totals);
  put(node, "skipped", std::to_string(totals.skipped));
  put(node, "time", fixed(totals.seconds, 3));
  if (suite.started_at != TimePoint{}) put(node, "timestamp", to_text(suite.started_at));
  if (!suite.host.empty()) put(node, "hostname", suite.host);
  if (!suite.properties.empty()) {
    pugi::xml_node properties = node.append_child("properties");
    for (const auto& [name, value] : suite.properties) {
      pugi::xml_node property = properties.append_child("property");
      put(property, "name", name);
      put(property, "value", value);
    }
  }
  for (const Case& one : suite.cases) put_case(node, one, suite.name);
}

}  // namespace

std::string junit(const std::vector<Suite>& suites) {
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  put(declaration, "version", "1.0");
  put(declaration, "encoding", "UTF-8");
  pugi::xml_node root = document.append_child("testsuites");
  Counts all;
  for (const Suite& suite : suites) {
    const Counts one = counts_of(suite);
    all.tests += one.tests;
    all.failures += one.failures;
    all.errors += one.errors;
    all.seconds += one.seconds;
  }
  put(root, "name", "ktrial");
  put_totals(root, all);
  put(root, "time", fixed(all.seconds, 3));
  for (const Suite& suite : suites) put_suite(root, suite);
  std::ostringstream out;
  document.save(out, "  ");
  return std::move(out).str();
}

std::string batch_junit(const BatchRecord& batch) { return junit(suites_of(batch)); }
std::string analyze_junit(const std::vector<FileFindings>& files) {
  return junit(suites_of(files));
}
std::string campaign_junit(const CampaignRecord& campaign, const CampaignEvidence& evidence) {
  return junit(suites_of(campaign, evidence));
}

}  // namespace ktrial::results
