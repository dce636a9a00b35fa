#include "harness/bisect/lab.h"

#include <cstdlib>

namespace ktrial::bisect {

std::string_view name(Mark mark) {
  switch (mark) {
    case Mark::bad:
      return "bad";
    case Mark::good:
      return "good";
    case Mark::other:
      return "other";
    case Mark::none:
      return "none";
  }
  std::abort();
}

Mark mark_of(const results::TrialRecord& trial, const std::string& wanted) {
  switch (trial.verdict.outcome) {
    case results::Outcome::pass:
      return Mark::good;
    case results::Outcome::inconclusive:
      return Mark::none;
    case results::Outcome::fail:
      return wanted.empty() || trial.verdict.signature == wanted ? Mark::bad : Mark::other;
  }
  std::abort();
}

}  // namespace ktrial::bisect
