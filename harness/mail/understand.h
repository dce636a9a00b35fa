// Reports -> what they say. Pure; memory is bounded whatever comes.
#pragma once

#include <memory>
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

// Takes files one after the other; what they hold belongs together.
class Reader {
 public:
  Reader();
  ~Reader();
  // A file begins; its name tells a program from a text.
  void begin(std::string_view name);
  void feed(std::string_view bytes);
  Understanding finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ktrial::mail
