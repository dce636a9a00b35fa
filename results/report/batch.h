// Many runs that belong together -> one document. As report.h: pure, untrusted text escaped.
#pragma once

#include "results/batch.h"
#include "results/report/report.h"

namespace ktrial::results {

// The document of one run (report_json), of all trials: `spec` is what all runs have in common, a
// trial has the keys `run` and `cell`, too, and `runs` says what became of each part.
std::string batch_json(const BatchRecord& batch);
// The whole, a table of the parts, and the page of the run that tells most.
std::string batch_text(const BatchRecord& batch, const TextOptions& options = {});

// The runs as one batch, of as many trials as they were asked for.
BatchRecord batch_of(std::vector<RunRecord> runs);

// For CI: a suite for each run, a case for each trial, its subtests cases of their own. A kernel's
// failure is a <failure>, what was never judged an <error>. junit-10.xsd of Jenkins' xUnit plugin.
std::string batch_junit(const BatchRecord& batch);
// The kernel's own format (Documentation/dev-tools/ktap.rst); what was never judged is "not ok"
// with the directive ERROR.
std::string batch_ktap(const BatchRecord& batch);
// A case for each report that was found.
std::string analyze_junit(const std::vector<FileFindings>& files);

}  // namespace ktrial::results
