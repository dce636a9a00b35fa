// Result<T>: a value or an Error. Functions that can fail return one; no
// exception crosses a folder boundary. Fallible construction is a static
// `Result<X> create(...)`. A plain alias of std::expected: nothing to learn.
#pragma once

#include <expected>
#include <utility>

#include "harness/base/error.h"

namespace ktrial {

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string message, std::string hint = {}) {
  return std::unexpected(Error{kind, std::move(message), std::move(hint)});
}
inline std::unexpected<Error> usage_error(std::string message, std::string hint = {}) {
  return fail(ErrorKind::usage, std::move(message), std::move(hint));
}
inline std::unexpected<Error> fail_errno(const std::string& what, int errno_value,
                                         ErrorKind kind = ErrorKind::environment) {
  return std::unexpected(system_error(what, errno_value, kind));
}

namespace detail {
template <class T, class E>
T take(std::expected<T, E>& r) {
  return std::move(*r);
}
template <class E>
void take(std::expected<void, E>&) {}
}  // namespace detail

}  // namespace ktrial

// `auto fd = KTRIAL_TRY(open(...));` returns the error from the enclosing
// function, or yields the value; an error type that converts to Error will do.
// (A statement expression: GCC and clang.)
#define KTRIAL_TRY(...) KTRIAL_TRY_AS(KTRIAL_JOIN(ktrial_try_, __COUNTER__), __VA_ARGS__)
#define KTRIAL_JOIN(a, b) KTRIAL_JOIN_(a, b)
#define KTRIAL_JOIN_(a, b) a##b
// `result` is a name of its own: one KTRIAL_TRY may be an argument of another.
#define KTRIAL_TRY_AS(result, ...)                                  \
  __extension__({                                                   \
    auto result = (__VA_ARGS__);                                    \
    if (!result) return std::unexpected(std::move(result).error()); \
    ::ktrial::detail::take(result);                                 \
  })
