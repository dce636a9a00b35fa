#include "harness/cli/exit_codes.h"

#include <cstdlib>

namespace ktrial::cli {

int exit_code(results::Outcome outcome) {
  switch (outcome) {
    case results::Outcome::pass:
      return 0;
    case results::Outcome::fail:
      return 1;
    case results::Outcome::inconclusive:
      return 125;
  }
  std::abort();
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return 129;
    case ErrorKind::interrupted:
      return 130;
    case ErrorKind::environment:
    case ErrorKind::protocol:
    case ErrorKind::internal:
      return 128;
  }
  std::abort();
}

}  // namespace ktrial::cli
