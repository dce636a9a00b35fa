// Errors of the store. This folder stands beside harness/base, not above it, so
// it has an error type of its own: same shape, fewer kinds. It converts into any
// error type of that shape, so that a caller's KTRIAL_TRY takes it as it is.
#pragma once

#include <concepts>
#include <expected>
#include <string>
#include <utility>

namespace ktrial::results {

struct Error {
  enum class Kind { usage, environment };  // the caller's mistake; the host refused
  Kind kind = Kind::environment;
  std::string message;
  std::string hint = {};

  template <class Other>
    requires(!std::same_as<Other, Error>) && requires(Other other) {
      Other{decltype(other.kind)::usage, std::string(), std::string()};
      Other{decltype(other.kind)::environment, std::string(), std::string()};
    }
  operator Other() const {
    using OtherKind = decltype(Other::kind);
    return {kind == Kind::usage ? OtherKind::usage : OtherKind::environment, message, hint};
  }
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> usage_error(std::string message, std::string hint = {}) {
  return std::unexpected(Error{Error::Kind::usage, std::move(message), std::move(hint)});
}
// "<what>: No space left on device", with a hint where one is known.
std::unexpected<Error> errno_error(const std::string& what, int errno_value);

}  // namespace ktrial::results
