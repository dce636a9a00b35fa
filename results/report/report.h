// Records -> documents. Pure: no files, no terminal, no environment.
// What a guest printed is untrusted: in text, control characters and broken
// UTF-8 are escaped (\x1b); in JSON, broken UTF-8 becomes U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"
#include "results/report/text.h"
#include "results/store/store.h"

namespace ktrial::results {

// One document by the command line contract (docs/architecture.md), plus keys.
std::string report_json(const RunRecord& run);

struct TextOptions {
  bool color = false;              // see wants_color()
  std::size_t excerpt_lines = 24;  // of the evidence
  std::size_t trial_lines = 20;    // of the table of trials; failures come first
};
// For people: one page.
std::string report_text(const RunRecord& run, const TextOptions& options = {});
// Colour by the NO_COLOR convention (no-color.org): `no_color` is that
// variable's value or null, `term` that of TERM.
bool wants_color(bool is_terminal, const char* no_color, const char* term);

// `ktrial analyze`: what console logs hold.
struct FileNote {
  std::string title;
  RecordedKind kind;
  std::uint64_t line = 0;
};
struct FileFindings {
  std::string file;
  std::vector<Finding> findings;
  std::vector<FileNote> notes = {};    // what fails nothing by itself
  bool unknown_wrapping = false;       // the words of a kernel log, but nothing could be read
  std::vector<Subtest> subtests = {};  // of a saved KTAP, TAP or IGT output
  std::size_t subtests_missing = 0;    // planned, but without a result
};
// With `summary`, "signatures" groups equal reports.
std::string analyze_json(const std::vector<FileFindings>& files, bool summary = false);
std::string analyze_text(const std::vector<FileFindings>& files, const TextOptions& options = {});
// One entry a signature, the most frequent first.
std::string summary_text(const std::vector<FileFindings>& files, const TextOptions& options = {});

// Runs, latest first, as Store::list() gives them: {"runs": [...]}, and a table.
std::string list_json(const std::vector<RunSummary>& runs);
std::string list_text(const std::vector<RunSummary>& runs, const TextOptions& options = {});

}  // namespace ktrial::results
