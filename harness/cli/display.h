// What jobs tell, on stderr: a line a step, and on a terminal a live part below them that is
// rewritten: of one job what its workload has done so far, of several a row each.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/build_flags.h"
#include "harness/run/event.h"

namespace ktrial::cli {

using JobNumber = std::uint64_t;

// The rows of several jobs that run, and what each says now. Pure.
class Board {
 public:
  void begin(JobNumber job, const std::string& label);
  void take(JobNumber job, const run::Event& event);
  void end(JobNumber job);
  // At most `height` rows of `width` columns, the oldest jobs first; untrusted text is escaped.
  std::vector<std::string> rows(std::size_t width, std::size_t height) const;

 private:
  struct Row {
    std::string label, now;
    std::optional<int> trial;
    bool begun = false;  // it said something: it runs
  };
  std::map<JobNumber, Row> jobs_;
};

class Display {
 public:
  struct Options {
    bool pass_output = false;       // the guest program's output goes to ours
    bool output_to_stderr = false;  // stdout holds a document: all of it goes to stderr
    bool several = false;           // jobs: their lines begin with their number
  };
  explicit Display(const Options& options);
  // Several: `label` says which job it is.
  void begin(JobNumber job, const std::string& label);
  void hear(JobNumber job, const run::Event& event);
  // Several: the job is over; `text` says how.
  void end(JobNumber job, const std::string& text);
  void line(const std::string& text);
  // Takes the live part away, for good.
  void done();

 private:
  void say(JobNumber job, const run::Event& event, const std::string& text);
  void pass(JobNumber job, const run::Output& output);
  void live(const std::string& text);
  void erase();
  void draw();

  Options options_;
  bool terminal_;
  BuildBar bar_;
  Board board_;
  std::size_t drawn_ = 0;                           // rows
  std::map<JobNumber, std::string> unfinished_[2];  // lines of output, of each stream
};

}  // namespace ktrial::cli
