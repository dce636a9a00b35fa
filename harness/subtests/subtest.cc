#include "harness/subtests/subtest.h"

#include <cstdlib>

namespace ktrial::subtests {

std::string_view name(Result result) {
  switch (result) {
    case Result::pass:
      return "pass";
    case Result::fail:
      return "fail";
    case Result::skip:
      return "skip";
    case Result::crash:
      return "crash";
    case Result::timeout:
      return "timeout";
  }
  std::abort();
}

bool is_bad(Result result) { return result != Result::pass && result != Result::skip; }

}  // namespace ktrial::subtests
