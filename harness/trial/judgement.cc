#include "harness/trial/judgement.h"

#include "harness/trial/findings.h"
#include "harness/verdict/decide.h"
#include "harness/verdict/incident.h"

namespace ktrial::trial {

subtests::Summary chosen(subtests::Summary of_output, subtests::Summary of_console) {
  return of_output.format == subtests::Format::none ? std::move(of_console) : std::move(of_output);
}

void hear(const console::Analyzer& console, verdict::Evidence& evidence) {
  evidence.kernel_printed = console.saw_kernel_line();
  evidence.last_kernel_line = console.last_kernel_line();
  evidence.findings = console.findings();
}

void hear_log(const std::vector<std::string>& log, std::vector<console::Kind> fail_on,
              verdict::Evidence& evidence) {
  console::Analyzer analyzer(std::move(fail_on));
  for (const std::string& line : log) analyzer.feed(line + "\n");
  analyzer.finish();
  evidence.findings_from_log = analyzer.findings();
}

void judge(const verdict::Evidence& evidence, results::TrialRecord& record) {
  record.verdict = verdict::decide(evidence);
  record.findings = to_records(evidence.findings);
  record.counters = {evidence.counters_after.begin(), evidence.counters_after.end()};
  record.subtests = to_records(evidence.subtests);
  record.incident = verdict::incident_of(evidence);
  if (evidence.autopsy.looks == 0) return;
  autopsy::Autopsy page = evidence.autopsy;
  if (!record.trace.empty()) page.trace.clear();  // told once
  record.incident.autopsy = autopsy::to_text(page);
}

}  // namespace ktrial::trial
