#include "harness/reproduce/document.h"

namespace ktrial::reproduce {

int exit_status(const Story& story) {
  constexpr int kInconclusive = 125;
  if (!story.fix_name.empty()) {
    if (!story.fix) return kInconclusive;
    switch (story.fix->end) {
      case FixEnd::fixed:
        return 0;
      case FixEnd::better:
      case FixEnd::not_fixed:
        return 1;
      case FixEnd::not_failed:
      case FixEnd::not_known:
        return kInconclusive;
    }
  }
  switch (story.search->end) {
    case End::reproduced:
      return 1;
    case End::not_seen:
      return 0;
    case End::inconclusive:
      break;
  }
  return kInconclusive;
}

}  // namespace ktrial::reproduce
