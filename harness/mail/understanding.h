// What a report says.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/mail/facts.h"

namespace ktrial::mail {

struct Understanding {
  std::string subject, date;      // of the thread's first mail; may be empty
  std::vector<Failure> failures;  // the reported one first
  std::vector<Fact> facts;        // of each field the best first; without those that lost
  std::vector<Source> sources;    // attached ones first
  std::vector<Patch> patches;
  std::map<std::string, Word, std::less<>> words;
  int highest_cpu = -1;
  std::vector<std::string> notes;  // what was left out, and why; for people
  // The best value of a field; nullptr: the report does not say.
  const Fact* find(std::string_view field) const;
  std::vector<const Fact*> find_all(std::string_view field) const;
};

}  // namespace ktrial::mail
