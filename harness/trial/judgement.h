// From evidence to what a record says of it: for a trial that ends now, and for one that is judged
// once more.
#pragma once

#include "harness/console/analyzer.h"
#include "harness/verdict/evidence.h"
#include "results/record.h"

namespace ktrial::trial {

// Of the program's output; if that holds none, of the console (KUnit).
subtests::Summary chosen(subtests::Summary of_output, subtests::Summary of_console);

// What the guest's console told, all of it.
void hear(const console::Analyzer& console, verdict::Evidence& evidence);
// Reports that are in the kernel's log but never reached the console. `fail_on`: as in a spec.
void hear_log(const std::vector<std::string>& log, std::vector<console::Kind> fail_on,
              verdict::Evidence& evidence);

// Sets all of the record that is a judgement: verdict, findings, subtests, incident, counters.
void judge(const verdict::Evidence& evidence, results::TrialRecord& record);

}  // namespace ktrial::trial
