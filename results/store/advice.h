// What to do about a folder of results that cannot be used: a hint, added to
// errors of system calls by their errno. (harness/base does not know whose
// files it writes, so it cannot say.)
#pragma once

#include <utility>

#include "harness/base/result.h"

namespace ktrial::results {

// `error` with a hint, if it has none and one is known.
Error advised(Error error);

template <class T>
Result<T> advised(Result<T> result) {
  if (!result) return std::unexpected(advised(std::move(result).error()));
  return result;
}
inline std::unexpected<Error> advised(std::unexpected<Error> failure) {
  return std::unexpected(advised(std::move(failure).error()));
}

}  // namespace ktrial::results
