// What a bisection keeps in its folder, so that it can go on after anything:
//
//   session.json   the command line, and the failure that is looked for
//   bisect.log     every event (replay.h), on disk before the next step
//   mail.txt       the answer, ready to be sent
//   runs/          the trials, a results store
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/fd.h"
#include "harness/bisect/replay.h"

namespace ktrial::bisect {

// The failure that is looked for. Another failure is no evidence.
struct Wanted {
  std::string signature, title;  // empty: the first failure of the failing end decides
};

class Journal {
 public:
  // Makes the folder if need be. ErrorKind::usage when it holds a session already.
  static Result<Journal> create(const std::filesystem::path& folder,
                                const std::vector<std::string>& argv, const Engine& engine,
                                Wanted wanted);
  // ErrorKind::usage when there is none, or one of other ends or commits.
  static Result<Journal> open(const std::filesystem::path& folder, const Engine& engine);
  // The command line that began the session of the folder.
  static Result<std::vector<std::string>> command_line(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const Wanted& wanted() const { return wanted_; }
  Status set_wanted(Wanted wanted);
  // Events of earlier sessions, in order.
  const std::vector<Event>& past() const { return past_; }
  Status append(const Event& event);
  Status write_file(const std::string& name, std::string_view text) const;

 private:
  Journal() = default;
  Status write_session() const;
  Status open_log();

  std::filesystem::path folder_;
  std::vector<std::string> argv_;
  Wanted wanted_;
  std::vector<Event> past_;
  Fd log_;
};

}  // namespace ktrial::bisect
