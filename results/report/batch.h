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

}  // namespace ktrial::results
