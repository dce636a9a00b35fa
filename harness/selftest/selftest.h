// `ktrial selftest`: one trial per planted fault, and whether each was seen.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/selftest/faults.h"
#include "results/record.h"

namespace ktrial::selftest {

enum class Status {
  detected,       // as expected; for what must pass: it passed
  missed,         // not seen, or called something else
  wrong_culprit,  // seen and named, but another function is blamed
  false_alarm,    // nothing was wrong, and it did not pass
  skipped,        // never put to the test; Row::note says why
};
std::string_view name(Status status);

// What a trial came to, with what only its runner knows.
struct Planted {
  results::TrialRecord record;
  std::string console;            // the log, as far as it is needed
  std::optional<double> seconds;  // from the fault to the verdict
  bool begun = true;              // the guest got as far as to plant it
  std::string no_module;          // why the module could not be built; else empty
};

struct Row {
  Fault fault;
  Status status = Status::skipped;
  std::optional<results::Verdict> got;  // unset: it was not tried
  std::optional<double> seconds;
  std::optional<bool> culprit_right;  // unset: no function is to blame
  std::string note;                   // what is not as expected
  std::filesystem::path artifacts;
};

struct Report {
  std::string kernel;
  std::vector<Row> rows;
  // What of a guest's memory could be read: part, and "yes" or why not. Of the first trial that
  // looked: the healthy one, else a stall's. Empty: none did.
  results::Facts introspection = {};
  int count(Status status) const;
  // pass: every fault was detected; fail: one was not; inconclusive: one was
  // skipped, but for those that need a special kernel, and none was missed.
  results::Outcome outcome() const;
};

// Compares. Pure.
Row judge(const Fault& fault, const Planted& planted);

// Runs one trial. An Error ends the selftest: ktrial could not work.
using Runner = std::function<Result<Planted>(const Fault&, const spec::TrialSpec&)>;
struct Options {
  spec::TrialSpec base;  // kernel, machine
  std::vector<std::string> only;
  int repeat = 1;  // of the whole list
  std::function<void(const Fault&, int number, int of)> on_begin = {};
  std::function<void(const Row&)> on_row = {};
};
// After a trial that found no module, the other module faults are skipped.
Result<Report> run_selftest(const Options& options, const Runner& runner);

std::string report_text(const Report& report);
std::string report_json(const Report& report);

}  // namespace ktrial::selftest
