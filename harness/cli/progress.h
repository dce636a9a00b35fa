// Progress on stderr: a line a step, and on a terminal a last line that is
// rewritten with what the workload has done so far.
#pragma once

#include "harness/trial/observer.h"
#include "results/record.h"

namespace ktrial::cli {

class Progress final : public trial::Observer {
 public:
  struct Options {
    bool pass_output = false;       // the guest program's output goes to ours
    bool output_to_stderr = false;  // stdout holds a document: all of it goes to stderr
  };
  explicit Progress(const Options& options);
  void on_step(const std::string& text) override;
  void on_output(wire::Stream stream, std::string_view bytes) override;
  void on_progress(const wire::Progress& progress) override;
  void on_finding(const console::Finding& finding) override;
  void trial_ended(const results::TrialRecord& record);
  void done();  // clears the live line

 private:
  void line(const std::string& text);
  Options options_;
  bool terminal_;
  bool live_ = false;
};

}  // namespace ktrial::cli
