// Which of a report's failures is the reported one, and which of several values of a field holds.
#pragma once

#include <vector>

#include "harness/mail/facts.h"

namespace ktrial::mail {

struct Understanding;

// A failure, and what the log around it says.
struct Candidate {
  Failure failure;
  Facts log;
  int age = 0;         // of its mail in the thread; what is quoted is older
  int subject = 0;     // how much the subject speaks of it
  bool aside = false;  // told as something else
  int severity = 0;
};

std::vector<Candidate> candidates_of(const Scan& scan);
// All that a thread says, as one; `prose` and `candidates` in the order of its mails.
void combine(std::vector<Facts> prose, std::vector<Candidate> candidates, Understanding& out);

}  // namespace ktrial::mail
