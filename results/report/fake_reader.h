// Strict readers of the documents that reports are, for tests and the fuzz target: stricter than
// the formats ask, so that nothing passes by a reader's good will.
#pragma once

#include <string>

namespace ktrial::results {

// What is wrong with the document; empty: nothing.
std::string problem_of_xml(const std::string& document);
std::string problem_of_junit(const std::string& document);
std::string problem_of_ktap(const std::string& document);
std::string problem_of_kcidb(const std::string& document, const std::string& origin = "ktrial");
// Of a page of ours: well-formed, one script, which its own policy names, no other host.
std::string problem_of_html(const std::string& document);
std::string problem_of_mail(const std::string& document);

}  // namespace ktrial::results
