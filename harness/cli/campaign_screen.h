// What a campaign that runs shows on stderr: on a terminal one screen that is rewritten, elsewhere
// a line for what is no pass, and one a minute for how far it is.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "harness/campaign/session.h"
#include "harness/cli/display.h"

namespace ktrial::cli {

// The lines of the screen, `width` columns at most. Pure.
std::vector<std::string> campaign_rows(const campaign::Progress& progress, int cores,
                                       std::size_t width);

// As it is when nothing has happened for so long.
campaign::Progress later(campaign::Progress progress, double seconds);

class CampaignScreen {
 public:
  explicit CampaignScreen(int cores = 0);
  void set_cores(int cores) { cores_ = cores; }
  void begin(JobNumber job, const std::string& cell);
  void hear(JobNumber job, const run::Event& event);
  void end(JobNumber job, const std::string& text);
  // What it points to stays until done().
  void progress(const campaign::Progress& progress);
  void tick();  // time goes on
  void line(const std::string& text);
  void done();  // takes the screen away, for good

 private:
  using Clock = std::chrono::steady_clock;
  void draw(bool now);
  void erase();

  int cores_;
  bool terminal_;
  Board board_;
  std::map<JobNumber, std::string> cells_;
  std::vector<std::string> rows_;
  std::optional<campaign::Progress> progress_;
  Clock::time_point progress_at_{};
  std::size_t drawn_ = 0;
  Clock::time_point drawn_at_{}, told_at_ = Clock::now();
};

}  // namespace ktrial::cli
