// What a campaign's night keeps, below the results folder:
//
//   campaigns/ID/plan.toml      the plan as it was
//   campaigns/ID/journal.jsonl  what was begun, handed over and taken back; a line each, appended
//   campaigns/ID/campaign.json  what it came to so far, replaced in one step
//   campaigns/ID/used           seconds of the night, while trials run: what a kill does not lose
//
// The trials are ordinary runs of the store, which say of which campaign and cell they are. They
// are the truth: a night is counted by them, the journal only tells what had no record, and how
// long it took. ID is NAME-YYYYMMDD-HHMMSS.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/fd.h"
#include "harness/campaign/standing.h"

namespace ktrial::campaign {

// campaign.json: for `status`, and for the nights that come after.
struct NightFile {
  struct About {  // a signature
    std::string title, culprit, run;
    results::RecordedKind kind;
    int index = 0;
    bool operator==(const About&) const = default;
  };
  std::string name;  // of the plan
  results::RunState state = results::RunState::running;
  std::optional<results::TimePoint> finished_at;
  double used_s = 0;
  Seen seen;  // with id and begin
  std::map<std::string, About> signatures;
  int fresh_signatures = 0;
  std::vector<std::string> running;  // cells
  std::optional<double> left_s;
};
std::string to_json(const NightFile& night);
Result<NightFile> night_from_json(std::string_view json, std::string_view file);

// All nights of a plan's name that can be read, oldest first.
std::vector<NightFile> nights_of(const std::filesystem::path& results, const std::string& name);

// What the journal says of a night.
struct Story {
  std::string id, plan_file;
  results::TimePoint started_at{};
  std::vector<std::string> argv;
  std::filesystem::path working_dir;
  std::map<std::string, std::string> pins;  // git:BRANCH -> git:COMMIT, for the whole night
  std::string budget;                       // "8h", instead of the plan's; may be empty
  double used_s = 0;                        // of all its sessions
  int cores = 0, sessions = 0;
  bool ended = false;                       // it came to its own end
  std::vector<std::string> lost;            // jobs without a whole record, and why
  std::map<std::string, std::string> open;  // jobs of the latest session that are not over: cells
  std::map<std::string, int> begun;         // jobs of each cell, of all its sessions
  std::vector<std::string> told;            // signatures that on_new_failure was called for
};
// Lines that make no sense (half of one, of a process that was killed) are passed over.
Result<Story> parse_journal(std::string_view text, std::string_view file);

class Folder {
 public:
  struct Begin {
    std::string name, plan_text, plan_file;
    std::vector<std::string> argv;
    std::filesystem::path working_dir;
    std::map<std::string, std::string> pins = {};
    std::string budget = {};
  };
  // A new night. `results` is the store's folder.
  static Result<Folder> create(const std::filesystem::path& results, const Begin& begin);
  // To go on with it: ErrorKind::usage when a process does so already.
  static Result<Folder> open(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  const Story& story() const { return story_; }  // as it was when we began
  const std::string& id() const { return story_.id; }

  // Each is on disk when it returns. `used_s`: of the night, so far.
  // `budget`: from now on, instead of the one before; empty: as it was.
  Status session(double used_s, int cores, const std::string& budget = {});
  Status submitted(double used_s, std::uint64_t job, const std::string& cell);
  Status done(double used_s, std::uint64_t job, const std::string& cell, const std::string& run,
              const std::string& problem);
  // Between lines of the journal; written at most every few seconds.
  Status tick(double used_s);
  Status told(double used_s, const std::string& signature);
  Status ended(double used_s, results::RunState state);
  Status write(const NightFile& night) const;

 private:
  Status append(double used_s, const char* event, results::Facts values);
  std::filesystem::path directory_;
  Story story_;
  Fd journal_;  // locked while we live
  double ticked_s_ = 0;
};

std::filesystem::path campaigns_dir(const std::filesystem::path& results);
// `ref`: a plan's file or name (its latest night), an id, the beginning of one, a folder, or
// "last". ErrorKind::usage when there is none.
Result<std::filesystem::path> find_night(const std::filesystem::path& results,
                                         const std::string& ref);
Result<Story> load_story(const std::filesystem::path& directory);
// The plan that the night was begun with.
Result<spec::Plan> load_plan_of(const std::filesystem::path& directory, const Story& story);
// A process makes it now.
bool is_running(const std::filesystem::path& directory);

}  // namespace ktrial::campaign
