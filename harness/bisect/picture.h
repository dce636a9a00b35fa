// Texts about a bisection: the live picture, the final report, the mail. Pure.
#pragma once

#include <string>
#include <vector>

#include "harness/bisect/engine.h"
#include "harness/bisect/session.h"

namespace ktrial::bisect {

// A line: what was spent, the likeliest commits, what is left to do.
std::string status_line(const Engine& engine);
// The posterior as bars of the likeliest commits, at most `width` columns.
std::string picture(const Engine& engine, const Step& step, int width);

struct Story {
  std::string kernel_kind;         // "package" or "commit"
  std::string workload;            // what showed it
  std::string command;             // what repeats the bisection
  std::vector<std::string> links;  // a failing run's folder, the log, ...
};
// The answer, for people; the same with a subject and an introduction, for a mail; for
// programs.
std::string report_text(const Engine& engine, const Step& answer, const Wanted& wanted,
                        const Story& story);
std::string mail_text(const Engine& engine, const Step& answer, const Wanted& wanted,
                      const Story& story);
std::string report_json(const Engine& engine, const Step& answer, const Wanted& wanted,
                        const Story& story);

}  // namespace ktrial::bisect
