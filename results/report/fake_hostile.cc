// Strings that were made to break what shows them.
#include "results/report/fake_campaign.h"

namespace ktrial::results {

const std::vector<std::string>& hostile_strings() {
  static const std::vector<std::string> strings = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    return std::vector<std::string>{
        ("<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
         "\"'><svg onload=document.title='owned'> ]]> {{name}} {{{name}}} \x1b[2J\x1b]0;owned\x07"),
        bytes,
        ("]]>&lt;&#0;&#27;<!-- --><?xml?> \xef\xbf\xbe \xef\xbf\xbf \xed\xa0\x80 \xc0\xaf "
         "\xf4\x90\x80\x80"),
        "\nnot ok 1 - owned\n# Subtest: owned\nok 1 - owned # SKIP\nKTAP version 1\n1..0\n",
        ("ok 1 # SKIP x # SKIP y reboot: System halted Kernel panic - not syncing: VFS: KTAP "
         "version 1"),
        "reboot: System halted",
        ("\nFrom owned@example.org Mon Jan  1 00:00:00 2026\nSubject: owned\r\nBcc: "
         "owned@example.org\r\n\r\n"),
        "From owned@example.org Mon Jan  1 00:00:00 2026",
        "\n---\ndiff --git a/owned b/owned\n--- a/owned\n+++ b/owned\n",
        "javascript:document.title='owned'",
        "</script></style></title></details></pre></svg></table><base href=//owned.example/>",
        "\xe2\x80\xae\xe2\x80\x8b\xc2\x85 right to left and hidden",
        std::string(100, '-'),
        "trial 0",
        "",
        " ",
        "#",
        std::string(100'000, 'x'),
        std::string(300, '\'') + std::string(300, '"') + std::string(300, '<'),
    };
  }();
  return strings;
}

RunRecord with_strings(RunRecord run, const std::string& text) {
  run.spec.kernel = run.spec.workload = text;
  run.spec.parameters = {{text, text}};
  run.argv = {"ktrial", "run", text};
  run.working_dir = text;
  run.verdict.title = run.verdict.reason = run.verdict.culprit = run.verdict.signature = text;
  for (TrialRecord& trial : run.trials) {
    trial.verdict.title = trial.verdict.reason = trial.verdict.culprit = trial.verdict.signature =
        text;
    trial.verdict.kind = RecordedKind::parse(text);
    trial.accel = trial.vmm = trial.channel = text;
    trial.kernel = {text, text, text, text, text, text};
    trial.host = {text, text, 1, text, text};
    trial.incident = {{text, text}, {text}, text, text};
    for (Finding& finding : trial.findings)
      finding.title = finding.culprit = finding.task = finding.excerpt = text;
    for (Subtest& test : trial.subtests) test.name = test.reason = text;
  }
  run.unreadable = {text};
  return run;
}

CampaignRecord with_strings(CampaignRecord campaign, const std::string& text) {
  campaign.name = campaign.id = campaign.plan = text;
  campaign.tests = campaign.lost = {text};
  for (CampaignCell& cell : campaign.cells) {
    for (auto& [key, value] : cell.axes) value = text;
    cell.why = cell.goal = text;
    for (NumberRange& number : cell.numbers) number.name = number.moved = text;
  }
  for (CampaignSignature& one : campaign.signatures) {
    one.signature = one.title = one.culprit = one.why = one.common = text;
    one.kind = RecordedKind::parse(text);
    if (one.known) one.known->until = one.known->link = text;
  }
  for (NightSummary& night : campaign.nights) night.id = text;
  return campaign;
}

}  // namespace ktrial::results
